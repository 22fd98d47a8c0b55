using System.Globalization;
using CsCheck;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// Random sets of writes, insertions and removals, against an array; and the changes that are listed then, applied forwards and backwards.
/// MMAPSNAPSHOT_MODEL_STEPS is the number of sets times 20.
/// </summary>
public sealed class PatchModelTests
{
    private static readonly int _steps =
        int.Parse(Environment.GetEnvironmentVariable("MMAPSNAPSHOT_MODEL_STEPS") ?? "20000", CultureInfo.InvariantCulture);

    private static readonly SnapshotOptions _copy = new() { Backing = SnapshotBacking.Copy };

    private static readonly Gen<Part> _part = Gen.Select(
        Gen.Int[0, 5], Gen.Int[0, 400], Gen.Int[0, 400], Gen.Int[0, 2], (kind, kept, count, value) => new Part(kind, kept, count, value));

    private static readonly Gen<Part[]> _parts = _part.Array[0, 12];

    [Fact]
    public void A_set_of_edits_makes_the_bytes_of_the_model_and_its_changes_lead_there_and_back()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        byte[] old = [.. Bytes.Random(1500), .. new byte[700], .. Bytes.Random(800, seed: 2)];
        string path = workspace.Write("file", old), target = workspace.Write("target", "");
        Gen.Select(_parts, _parts, Gen.Int[0, 1000]).Sample(
            (first, second, seed) =>
            {
                var random = new Random(seed);
                using var snapshot = Snapshot.Open(path, _copy);
                byte[] now = old;
                foreach (var parts in (Part[][])[first, second])
                {
                    var (edits, expected) = Make(now, parts, random);
                    Assert.Empty(snapshot.Verify(edits, expectedLength: now.Length));
                    snapshot.Apply(edits);
                    now = expected;
                    Assert.Equal(now, Bytes.In(snapshot));
                }
                SnapshotChange[] changes = [.. snapshot.GetChanges()];
                Check(old, now, changes, target);
                using (var before = Snapshot.Open(path, _copy)) Check(old, now, [.. snapshot.GetChangesFrom(before)], target);
                snapshot.Revert(changes);
                Assert.Equal(old, Bytes.In(snapshot));
            },
            iter: Math.Max(1, _steps / 20),
            threads: 1,
            print: sets => $"{string.Join(' ', sets.Item1)} / {string.Join(' ', sets.Item2)} ({sets.Item3})");
    }

    [Fact]
    public void Any_of_the_changes_can_be_reverted()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "The quick brown fox"));
        snapshot.Apply([SnapshotEdit.Insert(4, "very "u8.ToArray()), SnapshotEdit.Write(10, "B"u8.ToArray()), SnapshotEdit.Remove(15, 4)]);
        var changes = snapshot.GetChanges().ToArray();
        (int[], string)[] some = [([0], "The quick Brown"), ([1], "The very quick brown"), ([2, 0], "The quick Brown fox")];
        foreach (var (reverted, text) in some)
        {
            snapshot.Revert([.. reverted.Select(index => changes[index])]);
            Assert.Equal(text, System.Text.Encoding.ASCII.GetString(Bytes.In(snapshot)));
            Assert.True(snapshot.Undo());
        }
        Expect.Error(SnapshotError.OverlappingChanges, () => snapshot.Revert([changes[0], changes[0]]));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Revert([changes[2] with { Length = 5 }]));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Revert([changes[1] with { NewOffset = 20 }]));
        Expect.Error(SnapshotError.InvalidPatch, () => snapshot.Revert([changes[1] with { Kind = "Delete" }]));
        Assert.Equal("The very quick Brown"u8, Bytes.In(snapshot));
        snapshot.Revert(changes);
        Assert.Equal("The quick brown fox"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    /// <summary>Edits of an array in any order, and what they make of it.</summary>
    private static (SnapshotEdit[] Edits, byte[] Expected) Make(byte[] before, Part[] parts, Random random)
    {
        var edits = new List<SnapshotEdit>();
        var expected = new List<byte>();
        int offset = 0;
        foreach (var (kind, kept, count, value) in parts)
        {
            int next = Math.Min(before.Length, offset + kept), room = Math.Min(count, before.Length - next);
            expected.AddRange(before.AsSpan(offset..next));
            offset = next;
            var bytes = new byte[kind is 2 or 3 ? count : room];
            if (kind is 1 or 3 || value == 2) Array.Fill(bytes, (byte)value);
            else random.NextBytes(bytes);
            byte[] there = random.Next(2) == 0 ? before[offset..(offset + room)] : [];
            edits.Add(kind switch
            {
                0 => SnapshotEdit.Write(offset, bytes, there),
                1 => SnapshotEdit.Fill(offset, room, (byte)value, there),
                2 => SnapshotEdit.Insert(offset, bytes),
                3 => SnapshotEdit.Insert(offset, count, (byte)value),
                _ => SnapshotEdit.Remove(offset, room, there),
            });
            if (kind < 4) expected.AddRange(bytes);
            if (kind is not (2 or 3)) offset += room;
        }
        expected.AddRange(before.AsSpan(offset));
        // Insertions at one offset keep their order; all else may come in any.
        SnapshotEdit[] shuffled = [.. edits.Where(edit => edit.Kind != SnapshotEditKind.Insert)];
        random.Shuffle(shuffled);
        int place = random.Next(shuffled.Length + 1);
        return ([.. shuffled[..place], .. edits.Where(edit => edit.Kind == SnapshotEditKind.Insert), .. shuffled[place..]], [.. expected]);
    }

    /// <summary>Asserts by an array, and by snapshots, that changes make what was before into what is now, and back.</summary>
    private static void Check(byte[] old, byte[] now, SnapshotChange[] changes, string target)
    {
        Assert.Equal(now, Changes.Applied(old, changes));
        SnapshotChange[] back = [.. changes.Select(Changes.Mirrored)];
        Assert.Equal(old, Changes.Applied(now, back));
        foreach (var (from, to, rows) in ((byte[], byte[], SnapshotChange[])[])[(old, now, changes), (now, old, back)])
        {
            File.WriteAllBytes(target, from);
            using var snapshot = Snapshot.Open(target, _copy);
            snapshot.Apply([.. rows.Select(SnapshotEdit.Of)]);
            Assert.Equal(to, Bytes.In(snapshot));
        }
    }

    /// <summary>An edit after some bytes that stay.</summary>
    private readonly record struct Part(int Kind, int Kept, int Count, int Value);
}
