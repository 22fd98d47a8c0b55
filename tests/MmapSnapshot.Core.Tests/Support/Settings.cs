// The filesystems are shared, some tests fill them up, and descriptors are counted: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
