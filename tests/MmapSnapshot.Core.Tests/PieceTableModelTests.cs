using System.Globalization;
using CsCheck;
using MmapSnapshot.Content;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// Random changes to a piece table, against an array that has the address of every byte. A failure is shrunk to the shortest
/// sequence of changes that shows it. MMAPSNAPSHOT_MODEL_STEPS is the number of changes; a million is the full form.
/// </summary>
public sealed class PieceTableModelTests
{
    private const int BaseLength = 300, LongestTable = 6000, ChangesInSequence = 200;

    private static readonly int _steps =
        int.Parse(Environment.GetEnvironmentVariable("MMAPSNAPSHOT_MODEL_STEPS") ?? "20000", CultureInfo.InvariantCulture);

    private enum Kind
    {
        Write,
        Insert,
        Remove,
        Fill,
        Resize,
        Scatter,
        GiveBack,
        Undo,
        Redo,
        SetBaseline,
        Compare,
        Slice,
    }

    /// <summary>Only where no bytes come back that were removed must the differences be the least.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Changes_undo_redo_and_differences_match_the_model(bool givesBack)
    {
        var change = Gen.Select(Gen.Int[0, (int)Kind.Slice], Gen.Int[0, 1 << 20], Gen.Int[0, 1 << 20], (kind, place, size) => new Change((Kind)kind, place, size));
        change.Array[1, ChangesInSequence].Sample(
            changes =>
            {
                var pair = new Pair(givesBack);
                foreach (var each in changes) pair.Make(each);
                pair.Check();
            },
            iter: Math.Max(1, _steps / ChangesInSequence),
            print: changes => string.Join(", ", changes));
    }

    private readonly record struct Change(Kind Kind, int Place, int Size)
    {
        public override string ToString() => $"{Kind}({Place}, {Size})";
    }

    /// <summary>A history of tables and one of arrays, changed alike.</summary>
    private sealed class Pair
    {
        private readonly EditHistory _history = new(PieceTable.Of(Piece.OfBase(0, BaseLength)));

        private readonly List<long[]> _models = [[.. Enumerable.Range(0, BaseLength).Select(offset => (long)offset)]];

        private PieceTable _baseline;

        private long[] _baselineModel;

        private int _current;

        private long _added;

        private readonly bool _givesBack;

        public Pair(bool givesBack)
        {
            _givesBack = givesBack;
            _baseline = _history.Current;
            _baselineModel = Model;
        }

        private long[] Model => _models[_current];

        public void Make(Change change)
        {
            int offset = change.Place % (Model.Length + 1), room = Model.Length - offset;
            int count = Math.Min(room, change.Size % 7 == 0 ? change.Size % (room + 1) : 1 + (change.Size % 9));
            switch (change.Kind)
            {
                case Kind.Write:
                    Replace(offset, count, Added(count));
                    break;
                case Kind.Insert when Model.Length < LongestTable:
                    Replace(offset, 0, Added(1 + (change.Size % 9)));
                    break;
                case Kind.Remove:
                    Replace(offset, count);
                    break;
                case Kind.Fill:
                    Replace(offset, count, Piece.OfByte((byte)(change.Size % 2), count));
                    break;
                case Kind.Resize:
                    int length = change.Size % (LongestTable / 2);
                    if (length < Model.Length) Replace(length, Model.Length - length);
                    else Replace(Model.Length, 0, Piece.OfByte(0, length - Model.Length));
                    break;
                case Kind.Scatter when Model.Length < LongestTable:
                    Replace(offset, Math.Min(count, 20), [.. Enumerable.Range(0, change.Size % 300).SelectMany(value => (Piece[])[Piece.OfByte((byte)value, 1), Added(value % 3)])]);
                    break;
                case Kind.GiveBack when _givesBack:
                    int end = (int)Math.Min(offset + count, _baseline.Length);
                    if (offset < end) Replace(offset, end - offset, _baseline.Slice(offset, end - offset));
                    break;
                case Kind.Undo:
                    for (int i = change.Size % 5; i > 0; i--) Assert.Equal(_current > 0, _history.Undo() && _current-- >= 0);
                    break;
                case Kind.Redo:
                    for (int i = change.Size % 5; i > 0; i--) Assert.Equal(_current < _models.Count - 1, _history.Redo() && _current++ >= 0);
                    break;
                case Kind.SetBaseline:
                    _baseline = _history.Current;
                    _baselineModel = Model;
                    break;
                case Kind.Compare:
                    PieceTables.AssertDifferences(_baselineModel, Model, PieceComparison.Between(_baseline, _history.Current), isLeast: !_givesBack);
                    PieceTables.AssertDifferences(Model, _baselineModel, PieceComparison.Between(_history.Current, _baseline), isLeast: !_givesBack);
                    Assert.Equal(Model.AsSpan().SequenceEqual(_baselineModel), _history.Current.HasSamePieces(_baseline));
                    break;
                case Kind.Slice:
                    Assert.Equal(Model[offset..(offset + count)], PieceTables.Addresses(_history.Current, offset, count));
                    break;
            }
            Assert.Equal(Model.Length, _history.Current.Length);
            if (change.Size % 16 == 0) Check();
        }

        public void Check()
        {
            var table = _history.Current;
            Assert.Equal(Model, PieceTables.Addresses(table, 0, table.Length));
            PieceTables.AssertWellFormed(table);
            PieceTables.AssertDifferences(_baselineModel, Model, PieceComparison.Between(_baseline, table), isLeast: !_givesBack);
            Assert.Equal(_current, _history.UndoCount);
        }

        private Piece Added(int count)
        {
            _added += count;
            return Piece.OfAdditions(_added - count, count);
        }

        private void Replace(int offset, int count, params Piece[] pieces)
        {
            var before = _history.Current;
            var after = before.Replace(offset, count, pieces);
            long[] model = [.. Model[..offset], .. pieces.SelectMany(PieceTables.Addresses), .. Model[(offset + count)..]];
            Assert.Equal(model.AsSpan().SequenceEqual(Model), ReferenceEquals(before, after));
            if (ReferenceEquals(before, after)) return;
            _history.Push(after);
            _models.RemoveRange(_current + 1, _models.Count - _current - 1);
            _models.Add(model);
            _current++;
        }
    }
}
