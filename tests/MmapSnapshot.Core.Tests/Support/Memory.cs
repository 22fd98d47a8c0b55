namespace MmapSnapshot.Tests.Support;

internal static class Memory
{
    /// <summary>Has the garbage collector find what is forgotten, and waits until it has been finalized.</summary>
    public static void CollectForgotten()
    {
        // A finalizer can let go of another object that has one.
        for (int round = 0; round < 3; round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
