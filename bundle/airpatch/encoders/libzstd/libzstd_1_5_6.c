#define LIBZSTD_PREFIX airpatch_1_5_6_
#define LIBZSTD_API libzstd_1_5_6
#include "prefix.h"
#include "zstd-1.5.6.c"
#include "api.h"
#include "api.c.h"
