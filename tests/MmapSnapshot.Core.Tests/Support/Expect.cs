namespace MmapSnapshot.Tests.Support;

internal static class Expect
{
    /// <summary>Asserts that the engine refuses with this id, and returns the exception for a look at its words.</summary>
    public static SnapshotException Error(SnapshotError error, Action action)
    {
        var exception = Assert.Throws<SnapshotException>(action);
        Assert.Equal(error, exception.Error);
        return exception;
    }
}
