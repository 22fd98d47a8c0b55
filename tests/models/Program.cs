// Model checks of the save protocols: every order of the steps of a few processes, with kills and machine crashes.
//
//     MmapSnapshot.Models [--traces] [--only TEXT]
//
// --traces prints the steps of each expected violation too; --only runs the lines of the table in which TEXT occurs.
// It ends with totals of the table's lines. A line is passed if the protocol has no violation, or the mutation has the expected one.

using System.Diagnostics;
using MmapSnapshot.Models;

bool hasTraces = args.Contains("--traces");
int only = Array.IndexOf(args, "--only");
string text = only < 0 ? "" : args.ElementAtOrDefault(only + 1) ?? "";
int passed = 0, failed = 0;

Console.WriteLine($"{"model",-8} {"mutation",-30} {"processes and faults",-62} {"states",9} {"seconds",8}  result");
foreach (var run in ReplaceRuns.All.Concat(InPlaceRuns.All).Concat(GroupRuns.All))
{
    if (!$"{run.Model} {run.Mutation} {run.Processes} {run.Expected}".Contains(text, StringComparison.OrdinalIgnoreCase)) continue;
    var watch = Stopwatch.StartNew();
    var result = run.Search();
    bool isPassed = run.IsPassed(result);
    if (isPassed) passed++;
    else failed++;
    string verdict = (isPassed ? "" : "FAILED: ") + run.Describe(result);
    Console.WriteLine($"{run.Model,-8} {run.Mutation,-30} {run.Processes,-62} {result.States,9} {watch.Elapsed.TotalSeconds,8:F1}  {verdict}");
    if (isPassed && !hasTraces) continue;
    for (int i = 0; i < result.Trace.Count; i++) Console.WriteLine($"      {i + 1,3} {result.Trace[i]}");
}
Console.WriteLine($"Models: {passed} passed, {failed} failed, 0 skipped");
return failed == 0 ? 0 : 1;
