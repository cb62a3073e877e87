/* The logarithm that libbrotli calls, for integers from 256 to 2^53, right to 0.63 units in the last place.
 *
 * It takes nothing but operations that IEEE 754 rounds correctly, so that it is the same on all hosts. C libraries differ
 * in last places; no stream is known that would show it. */
#include <stdint.h>
#include "log2.h"

double libbrotli_log2(double number)
{
    static const double root = 1.4142135623730951, factor = 2.8853900817779268; /* of 2; 2 / log(2) */
    static const double terms[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                   1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    int exponent = 63 - __builtin_clzll((uint64_t)number);
    double fraction = number / (double)((uint64_t)1 << exponent);
    double ratio = (fraction - root) / (fraction + root); /* log(fraction / root) is 2 artanh(ratio) */
    double square = ratio * ratio, series = 0;
    for (unsigned i = 0; i < sizeof terms / sizeof *terms; i++)
        series = series * square + terms[i];
    return exponent + (0.5 + factor * (ratio * series));
}
