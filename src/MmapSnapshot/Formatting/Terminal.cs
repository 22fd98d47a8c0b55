using System.Management.Automation;
using System.Management.Automation.Host;

namespace MmapSnapshot.Formatting;

/// <summary>What the output of a cmdlet can show.</summary>
/// <param name="Columns">How many characters a line has.</param>
/// <param name="HasColours">Whether colours are seen.</param>
internal sealed record Terminal(int Columns, bool HasColours)
{
    /// <summary>Where there is no terminal.</summary>
    private const int DefaultColumns = 80;

    /// <summary>The terminal of a cmdlet that begins.</summary>
    internal static Terminal Of(PSCmdlet cmdlet) => new(ColumnsOf(cmdlet), ShowsColours(cmdlet));

    private static int ColumnsOf(PSCmdlet cmdlet)
    {
        try
        {
            int columns = cmdlet.Host.UI.RawUI.WindowSize.Width;
            return columns > 0 ? columns : DefaultColumns;
        }
        catch (HostException)
        {
            return DefaultColumns;
        }
    }

    /// <summary>
    /// Whether the user wants colours, and the output goes to a terminal: PowerShell removes colours elsewhere, and then nothing would
    /// mark what they mark.
    /// </summary>
    private static bool ShowsColours(PSCmdlet cmdlet)
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))) return false;
        object? style = cmdlet.SessionState.PSVariable.GetValue("PSStyle");
        string? rendering = style is null ? null : PSObject.AsPSObject(style).Properties["OutputRendering"]?.Value?.ToString();
        bool isLast = cmdlet.MyInvocation.PipelinePosition == cmdlet.MyInvocation.PipelineLength;
        return rendering switch
        {
            "Ansi" => true,
            "PlainText" => false,
            _ => isLast && !Console.IsOutputRedirected,
        };
    }
}
