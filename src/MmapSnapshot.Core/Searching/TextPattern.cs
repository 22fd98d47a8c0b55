using System.Numerics;
using System.Text;

namespace MmapSnapshot.Searching;

/// <summary>Text as bytes to look for.</summary>
internal static class TextPattern
{
    /// <summary>
    /// Which bits of an encoded text do not depend on the case of its characters, and what the rest may be where bits alone
    /// cannot say it.
    /// </summary>
    internal static (byte[] Masks, IReadOnlyList<AlternativeBytes> Alternatives) FoldCase(string text, byte[] encoded, Encoding encoding, CancellationToken cancellation)
    {
        // A character that cannot be encoded becomes nothing, which is never as long as one that can.
        var lenient = EncodedText.WithFallback(encoding, new EncoderReplacementFallback(""));
        var masks = new byte[encoded.Length];
        var alternatives = new List<AlternativeBytes>();
        int position = 0;
        foreach (var character in text.EnumerateRunes())
        {
            cancellation.ThrowIfCancellationRequested();
            byte[] own = lenient.GetBytes(character.ToString());
            if (!encoded.AsSpan(position).StartsWith(own)) break;
            List<byte[]> choices = [own];
            foreach (var folded in (Rune[])[Rune.ToUpperInvariant(character), Rune.ToLowerInvariant(character)])
            {
                byte[] other = lenient.GetBytes(folded.ToString());
                if (other.Length == own.Length && !choices.Exists(choice => choice.AsSpan().SequenceEqual(other))) choices.Add(other);
            }
            int differences = 0;
            for (int i = 0; i < own.Length; i++)
            {
                int differing = choices.Aggregate(0, (bits, choice) => bits | (choice[i] ^ own[i]));
                differences += BitOperations.PopCount((uint)differing);
                masks[position + i] = (byte)~differing;
            }
            // Two that differ in one bit, as those of ASCII do, are all that this bit allows.
            if (differences > 1) alternatives.Add(new AlternativeBytes(position, choices));
            position += own.Length;
        }
        if (position == encoded.Length) return (masks, alternatives);
        throw new SnapshotException(
            SnapshotError.InvalidBytes,
            $"In {encoding.WebName} the bytes of a character depend on those before it: its case cannot be ignored.",
            remedies: [SnapshotRemedy.SearchBothCases]);
    }
}
