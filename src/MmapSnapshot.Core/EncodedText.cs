using System.Text;
using MmapSnapshot.Searching;

namespace MmapSnapshot;

/// <summary>Text as bytes, in an encoding that has all its characters: none becomes a question mark in a binary.</summary>
public static class EncodedText
{
    /// <summary>The bytes of a text, without a byte order mark.</summary>
    /// <param name="text">The text.</param>
    /// <param name="encoding">How it becomes bytes.</param>
    /// <exception cref="SnapshotException">InvalidBytes: the encoding lacks one of its characters.</exception>
    public static byte[] Of(string text, Encoding encoding)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(encoding);
        try
        {
            return WithFallback(encoding, EncoderFallback.ExceptionFallback).GetBytes(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw new SnapshotException(
                SnapshotError.InvalidBytes, $"The character at position {exception.Index} of '{Excerpt.Of(text, exception.Index)}' cannot be written in {encoding.WebName}.");
        }
    }

    internal static Encoding WithFallback(Encoding encoding, EncoderFallback fallback)
    {
        var clone = (Encoding)encoding.Clone();
        clone.EncoderFallback = fallback;
        return clone;
    }
}
