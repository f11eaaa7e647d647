/**
 * Files, password hashes and host names share one pool of threads, which has four threads unless told otherwise before its first
 * use. Uploads wait in it for the disk, two syncs each, so four are too few. To be imported before everything else.
 */
process.env["UV_THREADPOOL_SIZE"] ??= "16";
