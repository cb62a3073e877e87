/* Included before everything else: has zopfli call our logarithm in place of that of the C library. */
#include <math.h>

double libzopfli_log(double number);
#define log libzopfli_log
