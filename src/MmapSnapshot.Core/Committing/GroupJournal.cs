using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>How far the save of a group has come. A state is on the disk before the first step of it is taken.</summary>
internal enum GroupState
{
    /// <summary>No target was changed.</summary>
    Prepared,

    /// <summary>The new files are on the disk, and take the names of their targets.</summary>
    Committing,

    /// <summary>The old files get their names back.</summary>
    Reverting,

    /// <summary>All targets are new, or all are old: what is left can be removed.</summary>
    Done,
}

/// <summary>
/// The journal in a directory of a group: a block with the state, which is written over in one piece, and the <see cref="GroupRecord"/>.
/// Its maker holds a write lock on it (man 2 fcntl, F_OFD_SETLK), and its first lines are what the markers of the group's files record:
/// they are further names of it. tests/models checks the protocol; change both together.
/// </summary>
/// <param name="file">The journal.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class GroupJournal(SafeFileHandle file, string path) : IDisposable
{
    private const string Magic = "mmap-snapshot group 1";

    /// <summary>The bytes before the record: what every disk writes in one piece.</summary>
    private const int HeaderLength = 512;

    /// <summary>In bytes; some million files in one directory. A file that says more is not one of this program's.</summary>
    private const long MaxBodyLength = 256 << 20;

    private Header? _header;

    private sealed record Header(string Staging, GroupState State, long BodyLength, string BodyDigest);

    internal SafeFileHandle File => file;

    /// <summary>The name of the directory that it was made in; null: it does not say.</summary>
    internal string? Staging => _header?.Staging;

    internal GroupState State => _header?.State ?? GroupState.Prepared;

    /// <summary>Whether it was damaged after it had been on the disk: what it recorded is not known.</summary>
    internal bool IsDamaged { get; private set; }

    /// <summary>What it records; null: nothing yet.</summary>
    internal GroupRecord? Record { get; private set; }

    /// <summary>The directory that a marker of a group names; null: it is another marker.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal static string? StagingOf(SafeFileHandle marker, string path) => ReadHeader(marker, path, out _)?.Staging;

    /// <summary>Reads it.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal void Read()
    {
        _header = ReadHeader(file, path, out bool isEmpty);
        Record = _header is { BodyLength: > 0 and <= MaxBodyLength } header ? ReadRecord(header) : null;
        IsDamaged = _header is null ? !isEmpty : Record is null && State != GroupState.Prepared;
    }

    private GroupRecord? ReadRecord(Header header)
    {
        if (FileStatus.Of(file, path).Length < HeaderLength + header.BodyLength) return null;
        var body = new byte[header.BodyLength];
        ErrnoErrors.ThrowIfError(Kernel.Read(file, body, HeaderLength, out int length), $"read '{path}'", path, SnapshotError.ReadFailed);
        return length == body.Length && Digest(body) == header.BodyDigest ? GroupRecord.TryParse(body) : null;
    }

    /// <summary>Writes all of it, in the first state.</summary>
    /// <param name="staging">The name of the directory that it is in.</param>
    /// <param name="record">What it records; null: nothing yet.</param>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void Write(string staging, GroupRecord? record)
    {
        byte[] body = record?.ToBytes() ?? [];
        if (body.Length > 0) WriteAt(body, HeaderLength);
        Write(new Header(staging, GroupState.Prepared, body.Length, Digest(body)));
        Record = record;
    }

    /// <summary>Writes the state, and not to the disk: <see cref="Flush"/>.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void Write(GroupState state) => Write(_header! with { State = state });

    /// <summary>Writes it to the disk.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void Flush() => ErrnoErrors.ThrowIfError(Kernel.FSync(file), $"flush '{path}' to the disk", path, SnapshotError.WriteFailed);

    /// <summary>Releases the lock.</summary>
    public void Dispose() => file.Dispose();

    private void Write(Header header)
    {
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"{Magic}\n{header.Staging}\n{(int)header.State}\n{header.BodyLength}\n{header.BodyDigest}\n");
        byte[] block = new byte[HeaderLength];
        _ = Encoding.ASCII.GetBytes($"{text}{Digest(Encoding.ASCII.GetBytes(text))}\n", block);
        WriteAt(block, 0);
        _header = header;
    }

    private void WriteAt(byte[] bytes, long offset) =>
        ErrnoErrors.ThrowIfError(Kernel.Write(file, bytes, offset, out _), $"write '{path}'", path, SnapshotError.WriteFailed);

    private static Header? ReadHeader(SafeFileHandle file, string path, out bool isEmpty)
    {
        var block = new byte[HeaderLength];
        ErrnoErrors.ThrowIfError(Kernel.Read(file, block, 0, out int length), $"read '{path}'", path, SnapshotError.ReadFailed);
        isEmpty = block.AsSpan(0, length).IndexOfAnyExcept((byte)0) < 0;
        string text = Encoding.ASCII.GetString(block, 0, length).TrimEnd('\0');
        if (text.Split('\n') is not [Magic, var staging, var state, var bodyLength, var digest, var own, ""]) return null;
        if (own != Digest(Encoding.ASCII.GetBytes(text[..^(own.Length + 1)]))) return null;
        if (!SaveNames.IsStaging(staging)) return null;
        if (!int.TryParse(state, NumberStyles.None, CultureInfo.InvariantCulture, out int number)) return null;
        if (!long.TryParse(bodyLength, NumberStyles.None, CultureInfo.InvariantCulture, out long size)) return null;
        return Enum.IsDefined((GroupState)number) ? new Header(staging, (GroupState)number, size, digest) : null;
    }

    private static string Digest(ReadOnlySpan<byte> bytes) => Convert.ToHexString(SHA256.HashData(bytes));
}
