/* The logarithm that libbrotli calls, for integers from 256 to 2^53, right to 0.501 units in the last place.
 *
 * It takes integers alone, numbers with 62 bits behind the point, so that it is the same on all hosts. It has to be as near to
 * the true one as those of C libraries are: with one that is right to 0.63, some streams are others. */
#include <stdint.h>
#include "log2.h"

typedef __int128 fixed;

enum { POINT = 62 };
static const int64_t ROOT = 6521908912666391106;          /* of 2 */
static const fixed FACTOR = (fixed)13306513097844322491u; /* 2 / log(2) */
#define TERM(number) (((int64_t)1 << POINT) / number)
static const int64_t TERMS[] = {TERM(25), TERM(23), TERM(21), TERM(19), TERM(17), TERM(15), TERM(13),
                                TERM(11), TERM(9),  TERM(7),  TERM(5),  TERM(3),  TERM(1)};

double libbrotli_log2(double number)
{
    uint64_t integer = (uint64_t)number;
    int exponent = 63 - __builtin_clzll(integer);
    int64_t fraction = (int64_t)(integer << (POINT - exponent));
    /* log(fraction / root) is 2 artanh(ratio). */
    int64_t ratio = (int64_t)(((fixed)(fraction - ROOT) << POINT) / ((fixed)fraction + ROOT));
    int64_t square = (int64_t)((fixed)ratio * ratio >> POINT), series = 0;
    for (unsigned i = 0; i < sizeof TERMS / sizeof *TERMS; i++)
        series = (int64_t)((fixed)series * square >> POINT) + TERMS[i];
    fixed rest = (FACTOR * (int64_t)((fixed)ratio * series >> POINT) >> POINT) + TERM(2);
    return (double)(((fixed)exponent << POINT) + rest) * 0x1p-62;
}
