/* The logarithm that zopfli calls, for integers from 1 to 2^53, right to 0.51 units in the last place.
 *
 * It takes integers alone, numbers with 62 bits behind the point, so that it is the same on all hosts.
 * C libraries differ in last places; no stream is known that would show it. */
#include <stdint.h>
#include "log.h"

typedef __int128 fixed;

static const int POINT = 62;
static const fixed ROOT = 6521908912666391106; /* of 2 */
static const fixed HALF_LOG = 1598288580650331957; /* log(2) / 2 */

double libzopfli_log(double number)
{
    uint64_t integer = (uint64_t)number;
    int exponent = 63 - __builtin_clzll(integer);
    if (integer == 1)
        return 0; /* not one of the last place */
    fixed one = (fixed)1 << POINT, fraction = (fixed)integer << (POINT - exponent);
    fixed ratio = ((fraction - ROOT) << POINT) / (fraction + ROOT); /* log(fraction / root) is 2 artanh(ratio) */
    fixed square = ratio * ratio >> POINT, series = 0;
    for (int i = 25; i > 0; i -= 2)
        series = (series * square >> POINT) + one / i;
    return ldexp((double)((2 * exponent + 1) * HALF_LOG + (2 * ratio * series >> POINT)), -POINT);
}
