/* Loaded into a server before its libraries: lets the disk fail under the write-ahead log of the history.

   The file that FAILING_DISK names says what fails: "sync", or "sync, then write". */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int has_failed;

static int fails(int descriptor, const char *what)
{
    char link[64], path[4096], words[64];
    ssize_t length;
    FILE *control;
    size_t count;

    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strstr(path, "history.db-wal") == NULL)
        return 0;
    control = fopen(getenv("FAILING_DISK"), "r");
    if (control == NULL)
        return 0;
    count = fread(words, 1, sizeof words - 1, control);
    fclose(control);
    words[count] = 0;
    return strstr(words, what) != NULL;
}

static int failed(void)
{
    has_failed = 1;
    errno = EIO;
    return -1;
}

int fsync(int descriptor)
{
    int (*next)(int) = dlsym(RTLD_NEXT, "fsync");
    return fails(descriptor, "sync") ? failed() : next(descriptor);
}

int fdatasync(int descriptor)
{
    int (*next)(int) = dlsym(RTLD_NEXT, "fdatasync");
    return fails(descriptor, "sync") ? failed() : next(descriptor);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    return has_failed && fails(descriptor, "write") ? failed() : next(descriptor, data, size, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return has_failed && fails(descriptor, "write") ? failed() : next(descriptor, data, size, offset);
}
