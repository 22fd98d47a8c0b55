using System.Diagnostics;
using System.Text;
using MmapSnapshot.Searching;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Searching, against an oracle that looks at every offset.</summary>
public sealed class FindTests
{
    private const long Gibibyte = 1L << 30, Tebibyte = 1L << 40;

    public static TheoryData<int> Windows => new(1, 2, 3, 31, 32, 33, 64, 129, 500, 4096, 4 << 20);

    public static TheoryData<string, string> NotHex => new()
    {
        { "", "empty" },
        { " , ", "empty" },
        { "?? ? ??", "match everywhere" },
        { "48 8", "'8' has 1 digits" },
        { "488", "'488' has 3 digits" },
        { "48 ???", "'???' has 3 digits" },
        { "48 0x", "'0x' has 0 digits" },
        { "48 4G", "'G' is neither a hex digit nor the wildcard '?'" },
        { "48 4*", "'*' is neither" },
        { "48 é8", "position 3" },
    };

    [Theory]
    [InlineData("48 8B ?? 0?", "48 8B FF 0C", "48 8B 00 10")]
    [InlineData("48 ? 8B", "48 FF 8B", "48 8B 8C 8B")]
    [InlineData("4? ?8", "4F 18", "48 81")]
    [InlineData("48,8b;0F:84-c3_90", "48 8B 0F 84 C3 90", "48 8B 0F 84 C3 91")]
    [InlineData("0x48 0X8B 0x?? 0x?F", "48 8B 00 1F", "48 8B 00 F1")]
    [InlineData("488B??0?", "48 8B 90 00", "48 8B 90 90")]
    [InlineData("?? 48 ??", "00 48 00", "48 00 00")]
    public void Hex_text_matches_what_it_says(string pattern, string matching, string other)
    {
        var parsed = BytePattern.ParseHex(pattern);
        Assert.Equal(pattern, parsed.ToString());
        Assert.Equal([0L], Find(Convert.FromHexString(matching.Replace(" ", "", StringComparison.Ordinal)), parsed));
        Assert.Empty(Find(Convert.FromHexString(other.Replace(" ", "", StringComparison.Ordinal)), parsed));
    }

    [Theory]
    [MemberData(nameof(NotHex))]
    public void What_is_no_hex_text_is_refused_and_told_why(string text, string says) =>
        Assert.Contains(says, Expect.Error(SnapshotError.InvalidBytes, () => BytePattern.ParseHex(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("utf-8", "Straße, ÉTÉ, Ωμέγα, Привет, 𐐀")]
    [InlineData("utf-16", "Straße, ÉTÉ, Ωμέγα, Привет, 𐐀ÿ")]
    [InlineData("utf-16BE", "Straße, ÉTÉ, Ωμέγα, Привет, 𐐀ÿ")]
    [InlineData("utf-32", "Straße, ÉTÉ, Ωμέγα, Привет, 𐐀ÿ")]
    [InlineData("iso-8859-1", "Straße, ÉTÉ, ÿ")]
    [InlineData("us-ascii", "Hello [World] @`{")]
    public void Text_is_found_in_any_case_and_nothing_else_is(string encodingName, string text)
    {
        var encoding = Encoding.GetEncoding(encodingName);
        var pattern = BytePattern.FromText(text, encoding, ignoreCase: true);
        foreach (string variant in (string[])[text, text.ToUpperInvariant(), text.ToLowerInvariant(), MixCase(text)])
        {
            // What Latin-1 lacks in the other case stays as it is.
            string there = encoding.IsSingleByte ? variant.Replace('Ÿ', 'ÿ') : variant;
            Assert.Equal([3L], Find([1, 2, 3, .. encoding.GetBytes(there), 4], pattern));
        }
        byte[] bytes = encoding.GetBytes(text);
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            byte[] changed = [.. bytes];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            bool same = encoding.GetString(changed).Equals(text, StringComparison.OrdinalIgnoreCase);
            Assert.Equal(same ? [0L] : [], Find(changed, pattern));
        }
    }

    [Fact]
    public void A_character_whose_bytes_all_change_with_its_case_is_not_mixed_of_both()
    {
        // R: D0 A0, r: D1 80. Taken byte by byte, D0 80 and D1 A0 would be found too; they are other letters.
        var pattern = BytePattern.FromText("Р", Encoding.UTF8, ignoreCase: true);
        foreach (int around in (int[])[0, 100]) // alone, and among as many as are looked at together
        {
            byte[] some = new byte[around];
            Assert.Equal([around, around + 2L], Find([.. some, 0xD0, 0xA0, 0xD1, 0x80, .. some], pattern));
            Assert.Empty(Find([.. some, 0xD0, 0x80, 0xD1, 0xA0, .. some], pattern));
        }
    }

    [Fact]
    public void A_case_that_takes_another_number_of_bytes_is_not_looked_for()
    {
        var pattern = BytePattern.FromText("Ⱥx", Encoding.UTF8, ignoreCase: true); // 2 bytes; its lower case has 3
        Assert.Equal([0L, 3L], Find("ȺXȺxⱥx"u8.ToArray(), pattern));
    }

    [Fact]
    public void The_case_of_text_whose_bytes_depend_on_what_stands_before_is_not_ignored()
    {
        var encoding = CodePagesEncodingProvider.Instance.GetEncoding("iso-2022-jp")!;
        Expect.Error(SnapshotError.InvalidBytes, () => BytePattern.FromText("カキ", encoding, ignoreCase: true));
        Assert.Equal([1L], Find([0, .. encoding.GetBytes("カキ")], BytePattern.FromText("カキ", encoding)));
    }

    [Fact]
    public void Text_is_found_in_its_own_case_only_unless_told_otherwise() =>
        Assert.Equal([4L], Find("ABC abc"u8.ToArray(), BytePattern.FromText("abc", Encoding.UTF8)));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Text_that_an_encoding_lacks_is_refused(bool ignoreCase)
    {
        var error = Expect.Error(SnapshotError.InvalidBytes, () => BytePattern.FromText("a→b", Encoding.Latin1, ignoreCase));
        Assert.Contains("position 1", error.Message, StringComparison.Ordinal);
        Expect.Error(SnapshotError.InvalidBytes, () => BytePattern.FromText("", Encoding.UTF8, ignoreCase));
        Expect.Error(SnapshotError.InvalidBytes, () => BytePattern.FromText("\ud800", Encoding.UTF8, ignoreCase));
    }

    [Theory]
    [MemberData(nameof(Windows))]
    public void Every_match_is_found_whatever_lies_at_the_border_of_a_window(int window)
    {
        var random = new Random(window);
        for (int round = 0; round < 150; round++)
        {
            // Few different bytes, so that there are many matches, also such as overlap.
            byte[] bytes = new byte[random.Next(600)];
            int letters = random.Next(1, 4);
            for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(random.Next(letters) * 0x21);
            BytePattern[] patterns = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => RandomPattern(random, letters))];
            long offset = random.Next(bytes.Length + 1), count = random.Next(bytes.Length - (int)offset + 1);
            AssertFinds(bytes, patterns, new ByteRange(offset, count), window);
        }
    }

    [Fact]
    public void Random_bytes_hold_what_an_oracle_finds()
    {
        byte[] bytes = Bytes.Random(3_000_000);
        BytePattern[] patterns =
        [
            BytePattern.ParseHex("4? ?B 0? 8?"), BytePattern.ParseHex("00 FF"), BytePattern.FromBytes(bytes.AsSpan(2_999_990)),
            BytePattern.FromBytes(bytes.AsSpan(1_048_570, 300_000)), BytePattern.ParseHex("7? ?? ?? ?? ?? ?? ?? ?? ?? 1? 2? 30"),
            BytePattern.FromText("ab", Encoding.ASCII, ignoreCase: true),
        ];
        AssertFinds(bytes, patterns, new ByteRange(0, bytes.Length), 4 << 20);
        AssertFinds(bytes, patterns, new ByteRange(777, 2_000_000), 100_000);
        foreach (var pattern in patterns) AssertFinds(bytes, [pattern], new ByteRange(0, bytes.Length), 64 << 10);
    }

    [Fact]
    public void Matches_at_every_offset_come_in_full_and_in_order()
    {
        byte[] bytes = Bytes.Of('a', 70_000);
        AssertFinds(bytes, [BytePattern.FromText("aa", Encoding.ASCII), BytePattern.ParseHex("6?"), BytePattern.ParseHex("61 ?? 61")], new ByteRange(0, bytes.Length), 4 << 20);
    }

    [Fact]
    public void A_match_tells_what_was_found_where()
    {
        using var file = new Scratch("....text...."u8);
        var match = Assert.Single(file.Snapshot.Find(BytePattern.ParseHex("7? 65 ?? 74")));
        Assert.Same(file.Snapshot, match.Snapshot);
        Assert.Equal(4, match.Offset);
        Assert.Equal(4, match.Length);
        Assert.Equal("text"u8, match.Bytes);
        Assert.Equal("7? 65 ?? 74", match.Pattern);
        Assert.Equal("0x4: 74 65 78 74", match.ToString());
    }

    [Fact]
    public void What_was_written_to_the_snapshot_is_found()
    {
        using var file = new Scratch(new byte[10_000]);
        file.Snapshot.Write(5000, "new"u8);
        file.Snapshot.Resize(20_000);
        file.Snapshot.Write(19_997, "new"u8);
        Assert.Equal([5000L, 19_997L], Offsets(file.Snapshot.Find(BytePattern.FromText("new", Encoding.ASCII))));
    }

    [Fact]
    public void Each_match_can_be_patched_as_it_comes()
    {
        using var file = new Scratch(Bytes.Of('a', 100_000));
        int patched = 0;
        foreach (var match in file.Snapshot.Find(BytePattern.FromText("a", Encoding.ASCII)))
        {
            file.Snapshot.Write(match.Offset, "b"u8);
            patched++;
        }
        Assert.Equal(100_000, patched);
        Assert.Equal(Bytes.Of('b', 100_000), Bytes.In(file.Snapshot));
    }

    [Fact]
    public void Nothing_is_found_in_an_empty_snapshot_nor_of_what_is_longer_than_it_nor_without_patterns()
    {
        using var empty = new Scratch([]);
        Assert.Empty(empty.Snapshot.Find(BytePattern.ParseHex("00")));
        using var file = new Scratch("text"u8);
        Assert.Empty(file.Snapshot.Find(BytePattern.FromText("text.", Encoding.ASCII)));
        Assert.Empty(file.Snapshot.Find([BytePattern.FromText("text", Encoding.ASCII)], 1, 3));
        Assert.Empty(file.Snapshot.Find([], 0, 4));
        Assert.Single(file.Snapshot.Find(BytePattern.FromText("text", Encoding.ASCII)));
    }

    [Fact]
    public void A_range_beyond_the_end_and_a_closed_snapshot_are_refused_at_once()
    {
        using var file = new Scratch("text"u8);
        var pattern = BytePattern.ParseHex("00");
        foreach (var (offset, count) in ((long, long)[])[(5, 0), (0, 5), (-1, 1), (1, -1), (long.MaxValue, long.MaxValue)])
            Expect.Error(SnapshotError.OutOfRange, () => file.Snapshot.Find([pattern], offset, count));
        file.Snapshot.Close();
        Expect.Error(SnapshotError.SnapshotClosed, () => file.Snapshot.Find(pattern));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Holes_and_what_lies_across_their_borders_are_searched(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        const int Block = 16 << 10;
        string path = workspace.WriteSparse("file", 12 * Block);
        byte[] bytes = new byte[12 * Block];
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write))
        {
            foreach (int block in (int[])[2, 3, 7])
            {
                Bytes.Of('a', Block).CopyTo(bytes, block * Block);
                RandomAccess.Write(file, Bytes.Of('a', Block), block * Block);
            }
        }
        using var snapshot = Snapshot.Open(path);
        foreach (string pattern in (string[])["00 61", "61 00", "00 00 61", "61 61 00 00 00 00", "0? 61 ?? ??", "61 6? 00"])
        {
            foreach (int window in (int[])[1000, 4 << 20]) AssertFinds(snapshot, bytes, [BytePattern.ParseHex(pattern)], new ByteRange(0, bytes.Length), window);
        }
        // These match zeros, and so whole holes.
        foreach (string pattern in (string[])["00 00 0?", "?? 00 ??", "?0 ?? ??"])
            AssertFinds(snapshot, bytes, [BytePattern.ParseHex(pattern), BytePattern.ParseHex("61 00")], new ByteRange(Block - 7, (7 * Block) + 11), 4 << 20);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_sparse_tebibyte_is_searched_in_the_time_that_its_data_takes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        long at = 500_000L << 20;
        byte[] data = Bytes.Random(1 << 20);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", Tebibyte, at, data));
        var clock = Stopwatch.StartNew();
        Assert.Equal([at + 777_777], Offsets(snapshot.Find(BytePattern.FromBytes(data.AsSpan(777_777, 16)))));
        Assert.Equal([at - 8], Offsets(snapshot.Find(BytePattern.FromBytes([0, 0, 0, 0, 0, 0, 0, 0, .. data.AsSpan(0, 8)]))));
        Assert.Equal([0L, 1, 2], Offsets(snapshot.Find(BytePattern.ParseHex("00 00 00 00")).Take(3)));
        Assert.Equal([Tebibyte - 4], Offsets(snapshot.Find([BytePattern.ParseHex("00 00 00 00")], Tebibyte - 4, 4)));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(1), $"it took {clock.Elapsed}");
    }

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void Offsets_that_no_32_bits_hold_are_found(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", 5 * Gibibyte, (4 * Gibibyte) - 2, "across"u8.ToArray());
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, "across"u8, (5 * Gibibyte) - 6);
        using var snapshot = Snapshot.Open(path);
        var pattern = BytePattern.FromText("ACROSS", Encoding.ASCII, ignoreCase: true);
        Assert.Equal([(4 * Gibibyte) - 2, (5 * Gibibyte) - 6], Offsets(snapshot.Find(pattern)));
        Assert.Equal([(5 * Gibibyte) - 6], Offsets(snapshot.Find([pattern], 4 * Gibibyte, Gibibyte)));
    }

    [Fact]
    public void A_search_in_a_hole_takes_no_memory()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 4 * Gibibyte));
        var free = new DriveInfo(workspace.Folder);
        long before = free.AvailableFreeSpace;
        Assert.Equal(300_000, snapshot.Find(BytePattern.ParseHex("00")).Take(300_000).LongCount());
        Assert.Empty(snapshot.Find(BytePattern.ParseHex("01")));
        Assert.InRange(before - free.AvailableFreeSpace, 0, 1 << 20);
    }

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void Bytes_that_cannot_be_read_are_an_error_and_no_signal(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Of('a', 100_000)), new SnapshotOptions { MaxWriterDelay = TimeSpan.Zero });
        // Like a bad sector: memory behind the end of its file cannot be touched.
        string privateFile = Descriptors.PathOf(Assert.Single(Descriptors.Nameless(workspace.Folder)));
        using (var file = File.OpenHandle(privateFile, FileMode.Open, FileAccess.Write)) RandomAccess.SetLength(file, 50_000);
        Expect.Error(SnapshotError.ReadFailed, () => snapshot.Freeze().Show(40_000, 30_000, bytes => bytes.Contains((byte)'b')));
    }

    [Fact]
    public void A_search_is_cancelled_before_it_begins_between_windows_and_between_matches()
    {
        using var file = new Scratch(Bytes.Of('a', 10_000));
        using var cancelled = new CancellationTokenSource();
        var matches = file.Snapshot.Find([BytePattern.ParseHex("61")], 0, 10_000, progress: null, cancelled.Token).GetEnumerator();
        Assert.True(matches.MoveNext());
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => matches.MoveNext());
        Assert.Throws<OperationCanceledException>(() => file.Snapshot.Find(BytePattern.ParseHex("62"), cancelled.Token).Any());

        using var between = new CancellationTokenSource();
        int told = 0;
        var listener = new ProgressRecorder(_ =>
        {
            if (++told == 3) between.Cancel();
        });
        var search = new ByteSearch(file.Snapshot, [BytePattern.ParseHex("62")], new ByteRange(0, 10_000), listener, between.Token) { Window = 1000 };
        Assert.Throws<OperationCanceledException>(() => search.Matches().Any());
        Assert.Equal(3, told);
    }

    [Fact]
    public void Long_patterns_match_in_every_position()
    {
        byte[] bytes = Bytes.Of('F', 100_000);
        bytes[50_000] = 0;
        using var file = new Scratch(bytes);
        // One byte, and after it more positions than are probed; the odd one at every kind of place.
        foreach (int place in (int[])[0, 1, 63, 64, 65, 4096, 9_999])
        {
            byte[] pattern = Bytes.Of('F', 10_000);
            pattern[place] = 0;
            Assert.Equal([50_000L - place], file.Snapshot.Find(BytePattern.FromBytes(pattern)).Select(match => match.Offset));
            string wild = HexText.Of(pattern).Replace("46 46 46", "46 ?6 ??", StringComparison.Ordinal);
            Assert.Equal([50_000L - place], file.Snapshot.Find(BytePattern.ParseHex(wild)).Select(match => match.Offset));
            pattern[place] = 1;
            Assert.Empty(file.Snapshot.Find(BytePattern.FromBytes(pattern)));
        }
    }

    [Fact]
    public void Many_patterns_that_match_everywhere_are_all_found_in_order()
    {
        using var file = new Scratch(Bytes.Of('a', 300));
        BytePattern[] patterns = [.. Enumerable.Range(0, 1000).Select(i => BytePattern.ParseHex(i % 2 == 0 ? "61" : "61 6?"))];
        var found = file.Snapshot.Find(patterns, 0, 300).ToArray();
        Assert.Equal((500 * 300) + (500 * 299), found.Length);
        Assert.Equal(found.OrderBy(match => match.Offset).Select(match => match.Offset), found.Select(match => match.Offset));
    }

    [Fact]
    public void Progress_tells_how_much_of_the_range_was_searched()
    {
        using var file = new Scratch(Bytes.Of('a', 10_000));
        var told = new List<SnapshotProgress>();
        var search = new ByteSearch(file.Snapshot, [BytePattern.ParseHex("62")], new ByteRange(1000, 8000), new ProgressRecorder(told.Add), default) { Window = 2000 };
        Assert.Empty(search.Matches());
        Assert.Equal([0L, 2000, 4000, 6000], told.Select(progress => progress.BytesDone));
        Assert.All(told, progress => Assert.Equal((8000, $"Searching '{file.Snapshot.Path}'"), (progress.BytesTotal, progress.Activity)));
    }

    [Fact]
    public void A_snapshot_that_is_closed_between_two_windows_says_so()
    {
        using var file = new Scratch(Bytes.Of('a', 10_000));
        AssertClosed(file, "61");
        // Also where there is but a hole, of which no memory is looked at.
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var hole = new Scratch(workspace.WriteSparse("file", Gibibyte));
        AssertClosed(hole, "00");

        static void AssertClosed(Scratch scratch, string pattern)
        {
            var matches = new ByteSearch(scratch.Snapshot, [BytePattern.ParseHex(pattern)], new ByteRange(0, 10_000), null, default) { Window = 100 }.Matches().GetEnumerator();
            for (int i = 0; i < 100; i++) Assert.True(matches.MoveNext());
            scratch.Snapshot.Close();
            Expect.Error(SnapshotError.SnapshotClosed, () => matches.MoveNext());
        }
    }

    [Theory]
    [InlineData(7050)]
    [InlineData(0)]
    public void What_is_searched_are_the_bytes_of_the_moment_in_which_the_search_began(int length)
    {
        using var file = new Scratch(Bytes.Of('a', 10_000));
        var matches = new ByteSearch(file.Snapshot, [BytePattern.ParseHex("61 61")], new ByteRange(0, 10_000), null, default) { Window = 200 }.Matches().GetEnumerator();
        for (int i = 0; i < 200; i++) Assert.True(matches.MoveNext());
        file.Snapshot.Fill(0, 10_000, (byte)'b');
        file.Snapshot.Resize(length);
        int rest = 0;
        while (matches.MoveNext()) rest++;
        Assert.Equal(10_000 - 200 - 1, rest);
    }

    [Fact]
    public void Other_threads_may_write_resize_and_close_while_it_is_searched()
    {
        var end = DateTime.UtcNow + TimeSpan.FromSeconds(1.5);
        using var stop = new ManualResetEventSlim();
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", Bytes.Of('a', 1 << 20));
        var snapshot = Snapshot.Open(path);
        var other = new Thread(() =>
        {
            var random = new Random(1);
            while (!stop.IsSet)
            {
                var current = Volatile.Read(ref snapshot);
                current.Resize(random.Next(1 << 20));
                current.Resize(1 << 20);
                current.Write(random.Next(1 << 19), "b"u8);
                if (random.Next(20) > 0) continue;
                Volatile.Write(ref snapshot, Snapshot.Open(path));
                current.Close();
            }
        });
        other.Start();
        long found = 0;
        try
        {
            while (DateTime.UtcNow < end)
            {
                var current = Volatile.Read(ref snapshot);
                try
                {
                    foreach (var match in new ByteSearch(current, [BytePattern.ParseHex("61 61")], new ByteRange(0, 1 << 20), null, default) { Window = 10_000 }.Matches())
                    {
                        Assert.Equal("aa"u8, match.Bytes);
                        found++;
                    }
                }
                catch (SnapshotException closed)
                {
                    Assert.Equal(SnapshotError.SnapshotClosed, closed.Error);
                }
            }
        }
        finally
        {
            stop.Set();
            other.Join();
            snapshot.Dispose();
        }
        Assert.NotEqual(0, found);
    }

    private static long[] Offsets(IEnumerable<SnapshotMatch> matches) => [.. matches.Select(match => match.Offset)];

    private static long[] Find(byte[] bytes, BytePattern pattern)
    {
        using var file = new Scratch(bytes);
        return Offsets(file.Snapshot.Find(pattern));
    }

    private static void AssertFinds(byte[] bytes, BytePattern[] patterns, ByteRange range, int window)
    {
        using var file = new Scratch(bytes);
        AssertFinds(file.Snapshot, bytes, patterns, range, window);
    }

    private static void AssertFinds(Snapshot snapshot, byte[] bytes, BytePattern[] patterns, ByteRange range, int window)
    {
        var expected = new List<(long, string, string)>();
        for (long offset = range.Offset; offset < range.End; offset++)
        {
            foreach (var pattern in patterns)
            {
                if (offset + pattern.Length > range.End) continue;
                var there = bytes.AsSpan((int)offset, pattern.Length);
                if (Oracle(pattern, there)) expected.Add((offset, pattern.ToString(), Convert.ToHexString(there[..Math.Min(20, there.Length)])));
            }
        }
        var search = new ByteSearch(snapshot, patterns, range, null, default) { Window = window };
        Assert.Equal(expected, search.Matches().Select(match => (match.Offset, match.Pattern, Convert.ToHexString(match.Bytes.AsSpan(0, Math.Min(20, match.Length))))));
    }

    /// <summary>Whether bytes are what a pattern's text says, read digit by digit; a pattern that is no hex text is "ab" in any case.</summary>
    private static bool Oracle(BytePattern pattern, ReadOnlySpan<byte> bytes)
    {
        string text = pattern.ToString();
        if (text == "ab") return Encoding.ASCII.GetString(bytes).Equals("AB", StringComparison.OrdinalIgnoreCase);
        if (text == "aa") return bytes.SequenceEqual("aa"u8);
        for (int i = 0; i < bytes.Length; i++)
        {
            for (int half = 0; half < 2; half++)
            {
                char digit = text[(3 * i) + half];
                if (digit != '?' && digit != "0123456789ABCDEF"[half == 0 ? bytes[i] >> 4 : bytes[i] & 15]) return false;
            }
        }
        return true;
    }

    private static BytePattern RandomPattern(Random random, int letters)
    {
        while (true)
        {
            string[] positions = [.. Enumerable.Range(0, random.Next(1, random.Next(2, 80))).Select(_ =>
            {
                string two = (random.Next(letters) * 0x21).ToString("X2", null);
                return random.Next(6) switch { 0 => "??", 1 => $"{two[0]}?", 2 => $"?{two[1]}", _ => two };
            })];
            string text = string.Join(' ', positions);
            if (text.Any(char.IsAsciiHexDigit)) return BytePattern.ParseHex(text);
        }
    }

    private static string MixCase(string text) => string.Concat(text.EnumerateRunes().Select((rune, i) => i % 2 == 0 ? Rune.ToUpperInvariant(rune) : Rune.ToLowerInvariant(rune)));

    /// <summary>A snapshot of a file of its own.</summary>
    private sealed class Scratch : IDisposable
    {
        private readonly string? _path;

        public Scratch(ReadOnlySpan<byte> bytes)
        {
            _path = Path.GetTempFileName();
            using (var file = File.OpenHandle(_path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, bytes, 0);
            Snapshot = Snapshot.Open(_path);
        }

        public Scratch(string path) => Snapshot = Snapshot.Open(path);

        public Snapshot Snapshot { get; }

        public void Dispose()
        {
            Snapshot.Dispose();
            if (_path is not null) File.Delete(_path);
        }
    }
}
