using System.Text;
using System.Text.RegularExpressions;
using MmapSnapshot.Searching;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Searches for what a regular expression matches.</summary>
public sealed class RegexSearchTests
{
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    public static TheoryData<string> Expressions => new(
        "ab", "a+b", "^a", "b$", "^", @"\bab", @"(?m)^a\w", "(?m)b$", "a{2,5}", "[^a]b", "(ab|ba){1,4}", "(?i)AB", @"\x00\xff?",
            "(?s)a.b", "c|a*");

    /// <summary>Windows of a few bytes: every match comes to lie across a border.</summary>
    [Theory]
    [MemberData(nameof(Expressions))]
    public void Windows_change_nothing(string expression)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        var random = new Random(1);
        var regex = new Regex(expression, Options);
        for (int round = 0; round < 30; round++)
        {
            byte[] bytes = new byte[400];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)"ab ab\nAc\0\u00FF"[random.Next(10)];
            using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
            var range = new ByteRange(random.Next(20), 300 + random.Next(60));
            string text = Encoding.Latin1.GetString(bytes, (int)range.Offset, (int)range.Length);
            var expected = regex.Matches(text).Where(match => match.Length > 0).Select(match => (range.Offset + match.Index, match.Length));
            var search = new RegexSearch(snapshot, regex, range, listener: null, default) { Window = 1 + random.Next(40), MaxMatch = 60 };
            Assert.Equal(expected, search.Matches().Select(match => (match.Offset, match.Length)));
        }
    }

    [Fact]
    public void Match_has_what_was_found()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.Write("file", "port = 8080\nother"));
        var match = Assert.Single(snapshot.Find(new Regex(@"\d+", Options), 0, snapshot.Length));
        Assert.Equal((7, 4, "8080", @"\d+", null), (match.Offset, match.Length, match.Text, match.Pattern, match.Encoding));
        Assert.Same(snapshot, match.Snapshot);
        snapshot.Write(7, "9090"u8);
        Assert.Equal("9090", Assert.Single(snapshot.Find(new Regex(@"\d+", Options), 0, snapshot.Length)).Text);
    }

    [Fact]
    public void Match_that_has_no_end_is_an_error()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Of('a', 3 << 20)));
        var error = Expect.Error(
            SnapshotError.InvalidBytes, () => _ = snapshot.Find(new Regex("a+", Options), 0, snapshot.Length).Count());
        Assert.Contains("64 KiB", error.Message, StringComparison.Ordinal);
        Assert.Equal((3 << 20) / 1000, snapshot.Find(new Regex("a{1000}", Options), 0, snapshot.Length).Count());
        Assert.Empty(snapshot.Find(new Regex("b*", Options), 0, snapshot.Length));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Vast), MemberType = typeof(FileSystems))]
    public void Holes_are_passed_over(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        const long End = 1L << 40;
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", End, End - 10, "needle 123"u8.ToArray()));
        Assert.Equal([End - 3], snapshot.Find(new Regex(@"\d+", Options), 0, End).Select(match => match.Offset));
        Assert.Equal([End - 11], snapshot.Find(new Regex(@"\x00needle", Options), 0, End).Select(match => match.Offset));
    }

    [Fact]
    public void Search_ends_when_it_is_cancelled()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(8 << 20)));
        using var source = new CancellationTokenSource();
        var listener = new ProgressRecorder(_ => source.Cancel());
        Assert.ThrowsAny<OperationCanceledException>(
            () => snapshot.Find(new Regex("abcdef", Options), 0, snapshot.Length, listener, source.Token).Any());
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Find(new Regex("a", Options), 0, snapshot.Length + 1));
    }
}
