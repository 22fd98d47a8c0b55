using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// Random changes, some of them taken back, against a model that keeps every former state whole.
/// </summary>
public sealed class UndoModelTests
{
    private const int StepLimit = 10_000, Seed = 1;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Any_sequence_of_changes_gives_the_states_that_the_model_remembers(string fileSystem)
    {
        foreach (bool moves in (bool[])[false, true]) Change(fileSystem, moves);
    }

    private static void Change(string fileSystem, bool moves)
    {
        using var workspace = Workspace.On(fileSystem);
        var random = new Random(Seed);
        using var pair = new Pair(workspace, random, maximum: 9 << 18, Bytes.Random(200_000), hole: 700_000, Bytes.Random(300_000))
        {
            Moves = moves,
        };
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
            for (int count = random.Next(1200); count > 0; count--) pair.Undo();
            pair.AssertAlike(changesToo: true);
        }
        pair.TakeAllBackOneByOne();
        pair.RevertAll();
        pair.AssertAlike(changesToo: true);
    }

    /// <summary>A snapshot and its model, changed alike.</summary>
    private sealed class Pair : IDisposable
    {
        private static readonly int[] _boundaries = [0, 4096, 65_536, 131_072, 1 << 20];

        private readonly Snapshot _snapshot;

        private readonly Random _random;

        private readonly int _maximum;

        private readonly LinkedList<byte[]> _former = new();

        private readonly Stack<byte[]> _undone = new();

        private byte[] _baseline;

        private byte[] _now;

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
            _now = _baseline;
        }

        /// <summary>Whether bytes are inserted and removed, too.</summary>
        public bool Moves { get; init; }

        private int Length => _now.Length;

        public void Dispose() => _snapshot.Dispose();

        public ByteRange AnyRange(int maximum) => AnyRange(maximum, Length);

        public void Change()
        {
            switch (_random.Next(Moves ? 30 : 24))
            {
                case >= 28:
                    Redo();
                    break;
                case >= 26:
                    Insert();
                    break;
                case >= 24:
                    Remove(AnyRange(_maximum / 4));
                    break;
                case < 6:
                    Write(AnyRange(_maximum));
                    break;
                case < 9:
                    var fill = AnyRange(_maximum);
                    byte value = (byte)_random.Next(3);
                    // Of a long one that changes nothing it is not told whether it is a step.
                    if (fill.Length > 0 && _now.AsSpan((int)fill.Offset, (int)fill.Length).IndexOfAnyExcept(value) < 0) break;
                    _snapshot.Fill(fill.Offset, fill.Length, value);
                    Modify(_now, fill, (bytes, range) => bytes.Slice((int)range.Offset, (int)range.Length).Fill(value));
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
                    Revert(AnyRange(_maximum));
                    break;
                case < 22:
                    for (int count = _random.Next(5); count >= 0; count--) Undo();
                    break;
                case 22:
                    if (_random.Next(3) == 0) RevertAll();
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
            Modify(_now, range, (now, at) => bytes.CopyTo(now[(int)at.Offset..]));
        }

        private void Insert()
        {
            byte[] piece = Random(AnyCount((_maximum - Length) / 2));
            int offset = _random.Next(Length + 1);
            _snapshot.Insert(offset, piece);
            Become([.. _now.AsSpan(0, offset), .. piece, .. _now.AsSpan(offset)]);
        }

        private void Remove(ByteRange range)
        {
            _snapshot.Remove(range.Offset, range.Length);
            if (range.Length > 0) Become([.. _now.AsSpan(0, (int)range.Offset), .. _now.AsSpan((int)range.End)]);
        }

        private void Redo()
        {
            Assert.Equal(_undone.Count > 0, _snapshot.Redo());
            if (_undone.Count == 0) return;
            _former.AddLast(_now);
            _now = _undone.Pop();
        }

        public void Undo()
        {
            Assert.Equal(_former.Count > 0, _snapshot.Undo());
            if (_former.Last is not { } last) return;
            _undone.Push(_now);
            _now = last.Value;
            _former.RemoveLast();
        }

        public void RevertAll()
        {
            if (_snapshot.IsModified) Remember();
            _snapshot.RevertAll();
            _now = _baseline;
        }

        public void TakeAllBackOneByOne()
        {
            while (_former.Count > 0)
            {
                Undo();
                if (_former.Count < 20 || _random.Next(5) == 0) AssertAlike(changesToo: _random.Next(20) == 0);
            }
            Assert.False(_snapshot.Undo());
        }

        public void AssertAlike(bool changesToo)
        {
            Assert.Equal(Length, _snapshot.Length);
            Assert.True(_now.AsSpan().SequenceEqual(Bytes.In(_snapshot)), "other bytes than the model's");
            if (!Moves) Changes.AssertHonest(_baseline, _snapshot); // which compares what is at the same offset
            else if (!_snapshot.IsModified) Assert.True(_now.AsSpan().SequenceEqual(_baseline), "it is modified");
            if (changesToo) AssertChanges();
        }

        private void AssertChanges()
        {
            var changes = _snapshot.GetChanges().ToArray();
            Assert.True(_now.AsSpan().SequenceEqual(Changes.Applied(_baseline, changes)), "the changes do not lead to the bytes");
            Assert.True(_baseline.AsSpan().SequenceEqual(Changes.Reverted(_now, changes)), "the changes do not lead back");
            Assert.True(changes.All(change => change.Length is > 0 and <= 64 << 10 || IsOfOneValue(change)), "a change is too long");
            foreach (var write in changes.Where(change => change.Kind == "Write"))
            {
                foreach (long at in (long[])[0, write.Length - 1])
                    Assert.True(_baseline[write.Offset + at] != _now[write.NewOffset + at], "a change begins or ends with what is equal");
            }

            static bool IsOfOneValue(SnapshotChange change) =>
                (change.Before is "" || change.Before.Contains('*')) && (change.After is "" || change.After.Contains('*'));
        }

        private void Apply()
        {
            int length = _random.Next(3) == 0 ? AnyLength() : Length;
            byte[] bytes = Resized(_now, length);
            var edits = new List<SnapshotEdit>();
            int free = 0;
            for (int count = _random.Next(6); count > 0; count--)
            {
                var range = AnyRange(_maximum / 4, length);
                if (range.Offset < free) continue; // none may overlap
                free = (int)range.End;
                byte[] piece = Random((int)range.Length);
                // What is expected was there before all the edits.
                byte[] expected = range.End <= Length && _random.Next(2) == 0 ? _now[(int)range.Offset..(int)range.End] : [];
                edits.Add(SnapshotEdit.Write(range.Offset, piece, expected));
                piece.CopyTo(bytes, range.Offset);
            }
            if (_random.Next(2) == 0) edits.Reverse();
            Assert.Empty(_snapshot.Verify(edits, length, expectedLength: Length));
            _snapshot.Apply(edits, length, expectedLength: Length);
            Become(bytes);
        }

        private void Resize(int length)
        {
            _snapshot.Resize(length);
            Become(Resized(_now, length));
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
            Modify(Resized(_now, length), new ByteRange(offset, bytes.Length), (now, at) => bytes.CopyTo(now[(int)at.Offset..]));
        }

        private void Revert(ByteRange range)
        {
            byte[] bytes = [.. _now];
            var common = range.Before(Math.Min(Length, _baseline.Length));
            _baseline.AsSpan((int)common.Offset, (int)common.Length).CopyTo(bytes.AsSpan((int)common.Offset));
            if (bytes.AsSpan().SequenceEqual(_now)) return; // whether it is a step is not told
            _snapshot.Revert(range.Offset, range.Length);
            Become(bytes);
        }

        private void Commit()
        {
            bool changed = !_now.AsSpan().SequenceEqual(_baseline);
            var result = _snapshot.Commit(new CommitOptions { NoFlush = true, Method = _random.Next(2) == 0 ? CommitMethod.Auto : CommitMethod.InPlace });
            Assert.Equal(changed, result.Method != CommitMethod.None);
            Assert.Null(result.Override);
            if (!changed) return;
            _baseline = _now;
            Assert.True(_baseline.AsSpan().SequenceEqual(File.ReadAllBytes(_snapshot.Path)), "other bytes were committed");
        }

        private void Modify(byte[] bytes, ByteRange range, SpanAction action)
        {
            if (range.Length == 0) return;
            bytes = [.. bytes];
            action(bytes, range);
            Become(bytes);
        }

        private void Become(byte[] bytes)
        {
            if (!bytes.AsSpan().SequenceEqual(_now)) Remember();
            _now = bytes;
        }

        private void Remember()
        {
            _undone.Clear();
            _former.AddLast(_now);
            if (_former.Count > StepLimit) _former.RemoveFirst();
        }

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

        private delegate void SpanAction(Span<byte> bytes, ByteRange range);
    }
}
