#define LIBZSTD_PREFIX airpatch_1_5_7_
#define LIBZSTD_API libzstd_1_5_7
#include "prefix.h"
#include "zstd-1.5.7.c"
#include "api.h"
#include "api.c.h"
