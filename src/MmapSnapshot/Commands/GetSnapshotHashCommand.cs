using System.Buffers.Binary;
using System.IO.Hashing;
using System.Management.Automation;
using System.Security.Cryptography;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Computes the hash or checksum of snapshots, files, matches, or of ranges of them.</summary>
[Cmdlet(VerbsCommon.Get, "SnapshotHash", DefaultParameterSetName = SnapshotSet)]
[OutputType(typeof(SnapshotHash))]
public sealed class GetSnapshotHashCommand : SnapshotReadingCmdlet
{
    /// <summary>How many bytes are read at a time.</summary>
    private const int Window = 1 << 20;

    private readonly byte[] _window = new byte[Window];

    /// <summary>What Find-SnapshotBytes has found: the hash is of its bytes.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = MatchSet)]
    [LiveMatch]
    [ValidateNotNull]
    public SnapshotMatch[] Match { get; set; } = [];

    /// <summary>The algorithm.</summary>
    [Parameter(Position = 1)]
    public SnapshotHashAlgorithm Algorithm { get; set; } = SnapshotHashAlgorithm.SHA256;

    /// <summary>Where to begin, in bytes from the start or, if negative, from the end.</summary>
    [Parameter(ParameterSetName = SnapshotSet)]
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = LiteralPathSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes; without it, all to the end.</summary>
    [Parameter(ParameterSetName = SnapshotSet)]
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = LiteralPathSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>Hashes each snapshot or file, or each match.</summary>
    protected override void ProcessRecord()
    {
        base.ProcessRecord();
        foreach (var match in Match)
        {
            TryDo(match.Snapshot ?? (object)match.Path, progress => Write(SnapshotOf(match), match.Offset, match.Length, progress));
        }
    }

    private protected override void Read(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        long offset = FromStart(Offset, snapshot);
        // Past the end there is nothing to count: let the read say so.
        Write(snapshot, offset, Count ?? Math.Max(0, snapshot.Length - offset), progress);
    }

    private void Write(Snapshot snapshot, long offset, long count, IProgress<SnapshotProgress> progress)
    {
        using var stream = snapshot.AsStream(offset, count, writable: false); // checks the range
        string activity = $"Computing the {Algorithm} of '{snapshot.Path}'";
        string hash = CryptographicName(Algorithm) is { } name ? Cryptographic(name) : Checksum();
        WriteObject(new SnapshotHash(Algorithm.ToString(), hash, snapshot.Path, offset, count));

        string Cryptographic(HashAlgorithmName name)
        {
            using var incremental = IncrementalHash.CreateHash(name);
            ReadAll(incremental.AppendData);
            return Convert.ToHexString(incremental.GetHashAndReset());
        }

        string Checksum()
        {
            var checksum = NonCryptographic(Algorithm);
            ReadAll(checksum.Append);
            byte[] bytes = checksum.GetCurrentHash();
            // System.IO.Hashing writes a CRC-32 with its least significant byte first, and all others with their most significant.
            if (checksum is Crc32) BinaryPrimitives.WriteUInt32BigEndian(bytes, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
            return Convert.ToHexString(bytes);
        }

        void ReadAll(AppendAction append)
        {
            long done = 0;
            for (int read; (read = stream.Read(_window)) > 0; done += read)
            {
                CancellationToken.ThrowIfCancellationRequested();
                progress.Report(new SnapshotProgress(activity, done, count));
                append(_window.AsSpan(0, read));
            }
        }
    }

    private delegate void AppendAction(ReadOnlySpan<byte> bytes);

    private static HashAlgorithmName? CryptographicName(SnapshotHashAlgorithm algorithm) => algorithm switch
    {
        SnapshotHashAlgorithm.SHA256 => HashAlgorithmName.SHA256,
        SnapshotHashAlgorithm.SHA1 => HashAlgorithmName.SHA1,
        SnapshotHashAlgorithm.SHA384 => HashAlgorithmName.SHA384,
        SnapshotHashAlgorithm.SHA512 => HashAlgorithmName.SHA512,
        SnapshotHashAlgorithm.MD5 => HashAlgorithmName.MD5,
        _ => null,
    };

    private static NonCryptographicHashAlgorithm NonCryptographic(SnapshotHashAlgorithm algorithm) => algorithm switch
    {
        SnapshotHashAlgorithm.CRC32 => new Crc32(),
        SnapshotHashAlgorithm.CRC64 => new Crc64(),
        SnapshotHashAlgorithm.XXH64 => new XxHash64(),
        SnapshotHashAlgorithm.XXH3 => new XxHash3(),
        _ => new XxHash128(),
    };
}
