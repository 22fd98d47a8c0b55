namespace MmapSnapshot.Binding;

/// <summary>Paths as the kernel resolves them: a snapshot's path leads through no symbolic link.</summary>
internal static class RealPath
{
    /// <summary>As many links the kernel follows in one path (man 7 path_resolution).</summary>
    private const int MaxSymlinks = 40;

    /// <summary>A path with all its links resolved; what does not exist is taken as it is written.</summary>
    /// <param name="path">A full path.</param>
    internal static string Of(string path)
    {
        string real = "/";
        int links = 0;
        var left = new Stack<string>(path.Split('/').Reverse());
        while (left.TryPop(out string? name))
        {
            if (name is "" or ".") continue;
            if (name == "..")
            {
                real = Path.GetDirectoryName(real) ?? "/";
                continue;
            }
            string next = Path.Join(real, name);
            if (new FileInfo(next).LinkTarget is not { } target || ++links > MaxSymlinks)
            {
                real = next;
                continue;
            }
            if (target.StartsWith('/')) real = "/";
            foreach (string part in target.Split('/').Reverse()) left.Push(part);
        }
        return real;
    }
}
