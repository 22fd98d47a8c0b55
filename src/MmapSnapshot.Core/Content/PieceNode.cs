namespace MmapSnapshot.Content;

/// <summary>A node of the B+tree of a piece table. It never changes: trees share nodes, and a node is in a tree at most once.</summary>
internal abstract class PieceNode(long length, int height)
{
    /// <summary>The bytes below this node.</summary>
    internal long Length { get; } = length;

    /// <summary>0 for a leaf; all children of a branch have the same height.</summary>
    internal int Height { get; } = height;

    /// <summary>Whether the node has so few entries that it is to be merged with a neighbour.</summary>
    internal abstract bool IsThin { get; }

    /// <summary>Replaces whole pieces, all of which lie below this node, by others.</summary>
    /// <param name="from">Where the first piece begins, in bytes from the start of the node.</param>
    /// <param name="to">Where the last piece ends; <paramref name="from"/> to insert.</param>
    /// <param name="pieces">What takes their place.</param>
    /// <returns>Nodes of the same height, none of them empty; they may be thin.</returns>
    internal abstract PieceNode[] Replace(long from, long to, ReadOnlySpan<Piece> pieces);

    /// <summary>Merges thin nodes among neighbours of the same height; what remains is thin only if it is alone.</summary>
    internal static PieceNode[] MergeThin(PieceNode[] siblings)
    {
        var nodes = new List<PieceNode>(siblings);
        for (int i = 0; i < nodes.Count; i++)
        {
            if (!nodes[i].IsThin || nodes.Count == 1) continue;
            int first = Math.Max(0, i - 1);
            var merged = nodes[first].MergeWith(nodes[first + 1]);
            nodes.RemoveRange(first, 2);
            nodes.InsertRange(first, merged);
            i = first - 1; // both may have been thin
        }
        return [.. nodes];
    }

    /// <summary>The entries of two neighbours of the same height, in as few nodes as hold them.</summary>
    protected abstract PieceNode[] MergeWith(PieceNode next);

    /// <summary>Splits entries into as few parts of about the same size as there must be.</summary>
    protected static PieceNode[] Split<T>(T[] entries, int capacity, Func<T[], PieceNode> create)
    {
        if (entries.Length == 0) return [];
        var nodes = new PieceNode[((entries.Length - 1) / capacity) + 1];
        for (int i = 0; i < nodes.Length; i++)
        {
            int start = (int)((long)entries.Length * i / nodes.Length), end = (int)((long)entries.Length * (i + 1) / nodes.Length);
            nodes[i] = create(nodes.Length == 1 ? entries : entries[start..end]);
        }
        return nodes;
    }
}
