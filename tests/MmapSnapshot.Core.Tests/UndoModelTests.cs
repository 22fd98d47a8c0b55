using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// Random changes, some of them taken back, against a model that keeps every former state whole. What is kept of former bytes
/// is in pieces in memory or in a sparse file, by size and number: the sizes here cross every such threshold.
/// </summary>
public sealed class UndoModelTests
{
    /// <summary>So much of a random sequence may be overwritten twice before the oldest changes can no longer be taken back.</summary>
    private const long OverwrittenLimit = 60 << 20;

    private const int StepLimit = 1000, Seed = 1;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Any_sequence_of_changes_gives_the_states_that_the_model_remembers(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        var random = new Random(Seed);
        using var pair = new Pair(workspace, random, maximum: 9 << 18, Bytes.Random(200_000), hole: 700_000, Bytes.Random(300_000));
        for (int step = 0; step < 50; step++)
        {
            pair.Change();
            pair.AssertAlike(changesToo: step % 4 == 0);
        }
        pair.TakeAllBackOneByOne();
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Small_changes_among_many_small_ones_are_taken_back_too(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        var random = new Random(Seed);
        using var pair = new Pair(workspace, random, maximum: 80_000, Bytes.Random(100), hole: 12_000, Bytes.Random(20_000));
        for (int round = 0; round < 3; round++)
        {
            for (int count = 0; count < 1700; count++) pair.Write(pair.AnyRange(maximum: 8));
            pair.AssertAlike(changesToo: true);
            for (int count = 0; count < 10; count++) pair.Change();
            for (int count = random.Next(1200); count > 0; count--) pair.UndoLast();
            pair.AssertAlike(changesToo: true);
        }
        pair.TakeAllBackOneByOne();
        pair.UndoAll();
        pair.AssertAlike(changesToo: true);
    }

    /// <summary>What a snapshot holds, and which of its bytes were written.</summary>
    private sealed record State(byte[] Bytes, bool[] Modified);

    /// <summary>A snapshot and its model, changed alike.</summary>
    private sealed class Pair : IDisposable
    {
        private static readonly int[] _boundaries = [0, 4096, 65_536, 131_072, 1 << 20];

        private readonly Snapshot _snapshot;

        private readonly Random _random;

        private readonly int _maximum;

        private readonly LinkedList<(State State, long Overwritten)> _former = new();

        private byte[] _baseline;

        private State _now;

        /// <param name="workspace">Where the file lies.</param>
        /// <param name="random">Decides.</param>
        /// <param name="maximum">How long it may become.</param>
        /// <param name="head">How it begins.</param>
        /// <param name="hole">How many zeros follow, that take no space.</param>
        /// <param name="tail">How it ends.</param>
        public Pair(Workspace workspace, Random random, int maximum, byte[] head, int hole, byte[] tail)
        {
            string path = workspace.WriteSparse("file", head.Length + hole + tail.Length, 0, head);
            using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, tail, head.Length + hole);
            _random = random;
            _maximum = maximum;
            _snapshot = Snapshot.Open(path);
            _baseline = [.. head, .. new byte[hole], .. tail];
            _now = Unmodified();
        }

        private int Length => _now.Bytes.Length;

        public void Dispose() => _snapshot.Dispose();

        public ByteRange AnyRange(int maximum) => AnyRange(maximum, Length);

        public void Change()
        {
            if (_former.Sum(step => step.Overwritten) > OverwrittenLimit) Commit();
            switch (_random.Next(24))
            {
                case < 6:
                    Write(AnyRange(_maximum));
                    break;
                case < 9:
                    var fill = AnyRange(_maximum);
                    byte value = (byte)_random.Next(3);
                    _snapshot.Fill(fill.Offset, fill.Length, value);
                    Modify(_now.Bytes, fill, (bytes, range) => bytes.Slice((int)range.Offset, (int)range.Length).Fill(value));
                    break;
                case < 12:
                    Apply();
                    break;
                case < 15:
                    Resize(AnyLength());
                    break;
                case < 17:
                    WriteStream();
                    break;
                case < 20:
                    Undo(AnyRange(_maximum));
                    break;
                case < 22:
                    for (int count = _random.Next(5); count >= 0; count--) UndoLast();
                    break;
                case 22:
                    if (_random.Next(3) == 0) UndoAll();
                    break;
                default:
                    if (_random.Next(3) == 0) Commit();
                    break;
            }
        }

        public void Write(ByteRange range)
        {
            byte[] bytes = Random((int)range.Length);
            _snapshot.Write(range.Offset, bytes);
            Modify(_now.Bytes, range, (now, at) => bytes.CopyTo(now[(int)at.Offset..]));
        }

        public void UndoLast()
        {
            Assert.Equal(_former.Count > 0, _snapshot.UndoLast());
            if (_former.Last is not { } last) return;
            _now = last.Value.State;
            _former.RemoveLast();
        }

        public void UndoAll()
        {
            _snapshot.UndoAll();
            _former.Clear();
            _now = Unmodified();
        }

        public void TakeAllBackOneByOne()
        {
            while (_former.Count > 0)
            {
                UndoLast();
                if (_former.Count < 20 || _random.Next(5) == 0) AssertAlike(changesToo: _random.Next(20) == 0);
            }
            Assert.False(_snapshot.UndoLast());
        }

        public void AssertAlike(bool changesToo)
        {
            Assert.Equal(Length, _snapshot.Length);
            Assert.True(_now.Bytes.AsSpan().SequenceEqual(Bytes.In(_snapshot)), "other bytes than the model's");
            var ranges = RunsOf(_now.Modified);
            Assert.True(ranges.SequenceEqual(_snapshot.GetModifiedRanges()), "other modified ranges than the model's");
            Assert.Equal(ranges.Sum(range => range.Length), _snapshot.ModifiedBytes);
            Assert.Equal(ranges.Count > 0 || Length != _baseline.Length, _snapshot.IsModified);
            if (changesToo) AssertChanges();
        }

        private void AssertChanges()
        {
            var changes = _snapshot.GetChanges().ToArray();
            Assert.True(_now.Bytes.AsSpan().SequenceEqual(Changes.Applied(_baseline, changes)), "the changes do not lead to the bytes");
            Assert.True(_baseline.AsSpan().SequenceEqual(Changes.Reverted(_now.Bytes, changes)), "the changes do not lead back");
            var lengths = changes.Where(change => change.NewLength is not null).ToArray();
            Assert.Equal(Length == _baseline.Length ? 0 : 1, lengths.Length);
            foreach (var change in lengths)
            {
                Assert.Equal(_baseline.Length, change.OldLength);
                Assert.Equal(Length, change.NewLength);
                Assert.Equal("", change.Before + change.After);
            }
            var runs = changes.Where(change => change.NewLength is null).ToArray();
            Assert.True(runs.All(run => run.Length is > 0 and <= 64 << 10), "a change is too long");
            Assert.True(runs.Zip(runs.Skip(1)).All(pair => pair.First.Offset + pair.First.Length <= pair.Second.Offset), "changes overlap");
            Assert.True(runs.All(run => Differs(run.Offset) && Differs(run.Offset + run.Length - 1)), "a change begins or ends with what is equal");
        }

        private void Apply()
        {
            int length = _random.Next(3) == 0 ? AnyLength() : Length;
            byte[] bytes = Resized(_now.Bytes, length);
            bool[] modified = Resized(_now.Modified, length);
            if (length > Length) Array.Fill(modified, true, Length, length - Length);
            var edits = new List<SnapshotEdit>();
            var concerned = new ModifiedRanges();
            for (int count = _random.Next(6); count > 0; count--)
            {
                var range = AnyRange(_maximum / 4, length);
                byte[] piece = Random((int)range.Length);
                // What is expected stood there before all the edits.
                byte[] expected = range.End <= Length && _random.Next(2) == 0 ? _now.Bytes[(int)range.Offset..(int)range.End] : [];
                edits.Add(SnapshotEdit.Write(range.Offset, piece, expected));
                piece.CopyTo(bytes, range.Offset);
                Array.Fill(modified, true, (int)range.Offset, (int)range.Length);
                concerned.Add(range.Offset, range.Length);
            }
            Assert.Empty(_snapshot.Verify(edits, length, expectedLength: Length));
            _snapshot.Apply(edits, length, expectedLength: Length);
            if (concerned.TotalBytes == 0 && length == Length) return;
            if (length < Length) concerned.Add(length, Length - length);
            Remember(concerned.ToArray());
            _now = new State(bytes, modified);
        }

        private void Resize(int length)
        {
            _snapshot.Resize(length);
            if (length == Length) return;
            Remember(length < Length ? [ByteRange.Between(length, Length)] : []);
            bool[] modified = Resized(_now.Modified, length);
            if (length > Length) Array.Fill(modified, true, Length, length - Length);
            _now = new State(Resized(_now.Bytes, length), modified);
        }

        private void WriteStream()
        {
            using var stream = _snapshot.AsStream();
            int offset = Math.Min(Length + _random.Next(-10, 100_000), _maximum - 1);
            byte[] bytes = Random(AnyCount(_maximum - Math.Max(offset, 0)));
            if (bytes.Length == 0 || offset < 0) return;
            stream.Position = offset;
            stream.Write(bytes);
            int length = Math.Max(Length, offset + bytes.Length);
            Modify(Resized(_now.Bytes, length), new ByteRange(offset, bytes.Length), (now, at) => bytes.CopyTo(now[(int)at.Offset..]));
        }

        private void Undo(ByteRange range)
        {
            _snapshot.Undo(range.Offset, range.Length);
            var revertible = RunsOf(_now.Modified.AsSpan(0, Math.Min(Length, _baseline.Length)))
                .Select(run => ByteRange.Between(Math.Max(run.Offset, range.Offset), Math.Min(run.End, range.End))).Where(run => run.Length > 0).ToArray();
            if (revertible.Length == 0) return;
            Remember(revertible);
            _now = new State([.. _now.Bytes], [.. _now.Modified]);
            foreach (var run in revertible)
            {
                _baseline.AsSpan((int)run.Offset, (int)run.Length).CopyTo(_now.Bytes.AsSpan((int)run.Offset));
                Array.Fill(_now.Modified, false, (int)run.Offset, (int)run.Length);
            }
        }

        private void Commit()
        {
            bool changed = _snapshot.IsModified;
            var result = _snapshot.Commit(new CommitOptions { NoFlush = true, Method = _random.Next(2) == 0 ? CommitMethod.Auto : CommitMethod.InPlace });
            Assert.Equal(changed, result.Method != CommitMethod.None);
            Assert.Null(result.Override);
            if (!changed) return;
            _baseline = _now.Bytes;
            _former.Clear();
            _now = Unmodified();
            Assert.True(_baseline.AsSpan().SequenceEqual(File.ReadAllBytes(_snapshot.Path)), "other bytes were committed");
        }

        private void Modify(byte[] bytes, ByteRange range, SpanAction action)
        {
            if (range.Length == 0) return;
            Remember([range.Before(Length)]);
            if (bytes.Length == Length) bytes = [.. bytes];
            bool[] modified = Resized(_now.Modified, bytes.Length);
            if (bytes.Length > Length) Array.Fill(modified, true, Length, bytes.Length - Length);
            action(bytes, range);
            Array.Fill(modified, true, (int)range.Offset, (int)range.Length);
            _now = new State(bytes, modified);
        }

        private void Remember(ByteRange[] concerned)
        {
            long overwritten = concerned.Select(range => range.Before(Length)).Sum(range => (long)_now.Modified.AsSpan((int)range.Offset, (int)range.Length).Count(true));
            _former.AddLast((_now, overwritten));
            if (_former.Count > StepLimit) _former.RemoveFirst();
        }

        private State Unmodified() => new(_baseline, new bool[_baseline.Length]);

        private byte[] Random(int count)
        {
            var bytes = new byte[count];
            if (_random.Next(4) != 0) _random.NextBytes(bytes); // or zeros
            return bytes;
        }

        private int AnyLength() => Math.Min(_maximum, _random.Next(4) == 0 ? _boundaries[_random.Next(_boundaries.Length)] : _random.Next(_maximum));

        private ByteRange AnyRange(int maximum, int length)
        {
            int offset = Math.Clamp(_random.Next(3) == 0 ? Near(_boundaries[_random.Next(_boundaries.Length)]) : _random.Next(length + 1), 0, length);
            return new ByteRange(offset, AnyCount(Math.Min(maximum, length - offset)));
        }

        private int AnyCount(int maximum) => Math.Min(maximum, _random.Next(8) switch
        {
            < 4 => _random.Next(20),
            < 6 => _random.Next(10_000),
            6 => Math.Max(0, Near(_boundaries[_random.Next(_boundaries.Length)])),
            _ => _random.Next(maximum + 1),
        });

        private int Near(int place) => place + _random.Next(-2, 3);

        private static T[] Resized<T>(T[] from, int length)
        {
            var array = new T[length];
            from.AsSpan(0, Math.Min(length, from.Length)).CopyTo(array);
            return array;
        }

        private bool Differs(long offset) => At(_baseline, offset) != At(_now.Bytes, offset);

        /// <summary>What is past the end counts as zero: growing makes it so.</summary>
        private static byte At(byte[] bytes, long offset) => offset < bytes.Length ? bytes[offset] : (byte)0;

        private static List<ByteRange> RunsOf(ReadOnlySpan<bool> modified)
        {
            var runs = new List<ByteRange>();
            for (int start = 0; start < modified.Length;)
            {
                int skip = modified[start..].IndexOf(true);
                if (skip < 0) break;
                start += skip;
                int count = modified[start..].IndexOf(false);
                if (count < 0) count = modified.Length - start;
                runs.Add(new ByteRange(start, count));
                start += count;
            }
            return runs;
        }

        private delegate void SpanAction(Span<byte> bytes, ByteRange range);
    }
}
