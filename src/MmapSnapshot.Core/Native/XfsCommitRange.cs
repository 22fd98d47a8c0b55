using System.Runtime.InteropServices;

namespace MmapSnapshot.Native;

/// <summary>struct xfs_commit_range; its first five fields are struct xfs_exchange_range.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct XfsCommitRange
{
    internal int Source;

    private readonly uint _padding;

    internal ulong SourceOffset, TargetOffset, Length, Flags;

    internal XfsFreshness Freshness;
}

/// <summary>What identifies one state of a file, for the kernel's eyes only.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct XfsFreshness
{
    private fixed ulong _opaque[6];
}
