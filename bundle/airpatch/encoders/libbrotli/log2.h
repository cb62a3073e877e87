/* Included before everything else: has libbrotli call our logarithm in place of that of the C library. */
#include <math.h>

double libbrotli_log2(double number);
#define log2 libbrotli_log2
