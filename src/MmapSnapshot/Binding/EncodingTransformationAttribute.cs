using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Text;

namespace MmapSnapshot.Binding;

/// <summary>Takes an encoding by the names that PowerShell's own cmdlets use, by its web name, or by its code page.</summary>
internal sealed class EncodingTransformationAttribute : ArgumentTransformationAttribute
{
    /// <summary>PowerShell's names; none writes a byte order mark.</summary>
    internal static readonly IReadOnlyDictionary<string, Encoding> Named = new Dictionary<string, Encoding>(StringComparer.OrdinalIgnoreCase)
    {
        ["utf8"] = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        ["utf8NoBOM"] = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        ["ascii"] = Encoding.ASCII,
        ["latin1"] = Encoding.Latin1,
        ["unicode"] = Encoding.Unicode,
        ["bigendianunicode"] = Encoding.BigEndianUnicode,
        ["utf32"] = Encoding.UTF32,
        ["bigendianutf32"] = new UTF32Encoding(bigEndian: true, byteOrderMark: false),
    };

    /// <summary>PowerShell's names of the code pages that belong to the culture of the session.</summary>
    internal static readonly IReadOnlyDictionary<string, Func<TextInfo, int>> CodePages = new Dictionary<string, Func<TextInfo, int>>(StringComparer.OrdinalIgnoreCase)
    {
        ["ansi"] = culture => culture.ANSICodePage,
        ["oem"] = culture => culture.OEMCodePage,
    };

    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        object value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        try
        {
            return value switch
            {
                string name => Parse(name),
                int page => Encoding.GetEncoding(page),
                _ => value,
            };
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            throw new ArgumentTransformationMetadataException(
                $"'{DisplayText.Of(value.ToString())}' is no encoding. Use {string.Join(", ", Named.Keys.Concat(CodePages.Keys))}, "
                + "a web name such as utf-16, or a code page.",
                exception);
        }
    }

    /// <summary>The encoding of a web name, as a match has it; null without one, and for one that this session does not have.</summary>
    internal static Encoding? Find(string? webName)
    {
        try
        {
            return webName is null ? null : Parse(webName);
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    private static Encoding Parse(string name) =>
        Named.TryGetValue(name, out var encoding) ? encoding
            : CodePages.TryGetValue(name, out var pageOf) ? Encoding.GetEncoding(pageOf(CultureInfo.CurrentCulture.TextInfo))
            : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int page) ? Encoding.GetEncoding(page)
            : Encoding.GetEncoding(name);
}

/// <summary>Completes -Encoding.</summary>
internal sealed class EncodingCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        from named in EncodingTransformationAttribute.Named.Select(named => (Name: named.Key, Tip: named.Value.EncodingName))
            .Concat(EncodingTransformationAttribute.CodePages.Select(named => (Name: named.Key, Tip: $"Code page {named.Value(CultureInfo.CurrentCulture.TextInfo)}")))
        where named.Name.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase)
        select new CompletionResult(named.Name, named.Name, CompletionResultType.ParameterValue, named.Tip);
}
