namespace MmapSnapshot.Content;

/// <summary>Nodes of the same height in order, none of them empty.</summary>
internal sealed class PieceBranch : PieceNode
{
    internal const int Capacity = 16;

    /// <summary>The length of each child beside each other, so that finding one reads no child.</summary>
    private readonly long[] _lengths;

    private PieceBranch(PieceNode[] children, long[] lengths, long length)
        : base(length, children[0].Height + 1)
    {
        Children = children;
        _lengths = lengths;
    }

    internal PieceNode[] Children { get; }

    internal override bool IsThin => Children.Length < Capacity / 4;

    /// <summary>As few branches over nodes of the same height as there must be.</summary>
    internal static PieceNode[] Over(PieceNode[] children) => Split(children, Capacity, Of);

    /// <summary>The index of the child that has the byte at an offset; at the end, of the last child.</summary>
    internal int IndexOf(long offset, out long start)
    {
        int index = 0;
        start = 0;
        while (index < _lengths.Length - 1 && offset - start >= _lengths[index]) start += _lengths[index++];
        return index;
    }

    internal override PieceNode[] Replace(long from, long to, ReadOnlySpan<Piece> pieces)
    {
        int first = IndexOf(from, out long start);
        int last = first;
        long lastStart = start;
        while (to - lastStart > _lengths[last]) lastStart += _lengths[last++];

        PieceNode[] replaced;
        if (first == last) replaced = Children[first].Replace(from - start, to - start, pieces);
        else replaced = [.. Children[first].Replace(from - start, _lengths[first], pieces), .. Children[last].Replace(0, to - lastStart, [])];

        if (Array.Exists(replaced, node => node.IsThin))
        {
            if (first > 0) replaced = [Children[--first], .. replaced];
            if (last < Children.Length - 1) replaced = [.. replaced, Children[++last]];
            replaced = MergeThin(replaced);
        }
        return WithChildren(first, last + 1, replaced);
    }

    protected override PieceNode[] MergeWith(PieceNode next)
    {
        PieceNode[] children = [.. Children, .. ((PieceBranch)next).Children];
        // An only child had no neighbour to be merged with.
        if (Children.Length == 1 || children.Length - Children.Length == 1) children = MergeThin(children);
        return Over(children);
    }

    private PieceNode[] WithChildren(int first, int end, PieceNode[] replaced)
    {
        int after = Children.Length - end, count = first + replaced.Length + after;
        var children = new PieceNode[count];
        Array.Copy(Children, children, first);
        replaced.CopyTo(children, first);
        Array.Copy(Children, end, children, first + replaced.Length, after);
        if (count is 0 or > Capacity) return Over(children);

        // The lengths of those that stay are known, and reading them from the children would be a cache miss each.
        var lengths = new long[count];
        Array.Copy(_lengths, lengths, first);
        for (int i = 0; i < replaced.Length; i++) lengths[first + i] = replaced[i].Length;
        Array.Copy(_lengths, end, lengths, first + replaced.Length, after);
        return [new PieceBranch(children, lengths, Sum(lengths))];
    }

    private static PieceBranch Of(PieceNode[] children)
    {
        long[] lengths = Array.ConvertAll(children, child => child.Length);
        return new PieceBranch(children, lengths, Sum(lengths));
    }

    private static long Sum(long[] lengths)
    {
        long sum = 0;
        foreach (long length in lengths) sum += length;
        return sum;
    }
}
