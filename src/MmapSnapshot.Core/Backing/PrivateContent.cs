using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>A clone or a copy: bytes that have been in a private file from the start.</summary>
internal sealed class PrivateContent(PrivateFile file, SnapshotBacking backing, long length) : SnapshotContent
{
    internal override SnapshotBacking Backing => backing;

    internal override string Location => file.Location;

    internal override PrivateFile File => file;

    internal override long Length => length;

    internal override Errno Read(Span<byte> destination, long offset, out int done) => Kernel.Read(file.Handle, destination, offset, out done);

    internal override void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
    }

    internal override SafeFileHandle MakeMappable() => file.Handle;

    internal override void Vouch()
    {
    }

    public override void Dispose() => file.Dispose();
}
