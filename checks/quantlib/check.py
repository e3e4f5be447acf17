"""Compares computed option values with QuantLib's and with mpmath's at 60 digits.

Reads lines of a file, each a function, its arguments and its results, as integers. A result is a mantissa and an exponent of two.
Prints the largest error of each result, and fails where one is above what is allowed.

QuantLib computes in doubles. Its distribution function has an absolute error of some 1e-16, and its price is a difference of two
products with it, so in the tails it is not right to 1e-12 relative. It is compared where a bound of its own error (`doubles_error`)
is below 1e-12; mpmath, which is right everywhere, is compared on all points, and also confirms the bound.
"""

import sys
from collections import defaultdict

import mpmath
import QuantLib
from mpmath import mp, mpf

mp.dps = 60
ALLOWED = mpf("1e-12")
# What the documentation of the functions says.
CLAIMED = {"black76": mpf("1e-18"), "stdev": mpf("1e-18"), "pdf": mpf("1e-25"), "cdf": mpf("1e-25"), "exp": mpf("1e-27"), "ln": mpf("1e-27")}
GREEKS = ["price", "delta", "gamma", "vega", "theta", "rho"]
# Least number of points on which QuantLib has to be accurate enough.
LEAST_QUANTLIB = 2000
EPSILON = mpf(2) ** -53


def fixed(text):
    return mpf(int(text)) / mpf(2) ** 96


def scaled(mantissa, exponent):
    return mpf(int(mantissa)) * mpf(2) ** int(exponent)


def cdf(z):
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def exact(forward, strike, volatility, years, rate, is_call):
    """Values, and what errors are relative to."""
    stdev = volatility * mpmath.sqrt(years)
    d1 = mpmath.log(forward / strike) / stdev + stdev / 2
    d2 = d1 - stdev
    discount = mpmath.exp(-rate * years)
    # The one out of the money has no cancellation but its own; the other adds the intrinsic value.
    sign = 1 if forward <= strike else -1
    price = sign * (forward * cdf(sign * d1) - strike * cdf(sign * d2))
    if is_call != (sign == 1):
        price += abs(forward - strike)
    price *= discount
    density = mpmath.npdf(d1)
    decay = discount * forward * density * volatility / (2 * mpmath.sqrt(years))
    values = {
        "price": price,
        "delta": discount * (cdf(d1) if is_call else -cdf(-d1)),
        "gamma": discount * density / (forward * stdev),
        "vega": discount * forward * density * mpmath.sqrt(years),
        "theta": rate * price - decay,
        "rho": -years * price,
    }
    sizes = {name: abs(value) for name, value in values.items()}
    sizes["theta"] = max(abs(rate * price), decay)
    return values, sizes, (d1, d2, discount)


def quantlib(forward, strike, volatility, years, rate, is_call):
    forward, strike, volatility, years, rate = (float(x) for x in (forward, strike, volatility, years, rate))
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if is_call else QuantLib.Option.Put, strike)
    discount = float(mpmath.exp(-mpf(rate) * mpf(years)))
    stdev = float(mpf(volatility) * mpmath.sqrt(mpf(years)))
    calculator = QuantLib.BlackCalculator(payoff, forward, stdev, discount)
    return {
        "price": calculator.value(),
        "delta": calculator.deltaForward(),
        "gamma": calculator.gammaForward(),
        "vega": calculator.vega(years),
        "theta": calculator.theta(forward, years),
        # With the rate and the dividend's rate together, so that the forward stays.
        "rho": calculator.rho(years) + calculator.dividendRho(years),
    }


def doubles_error(name, values, forward, strike, d1, d2, discount):
    """A bound of the relative error of QuantLib's value.

    ln(F/K) has the absolute rounding error of its argument, which is divided by the deviation, and d1 and d2 their own. They count
    by |d| in the density and in the tails. The distribution function has an absolute error, which counts by the size of what is
    computed with it. Gamma and vega are each a difference of two terms that are up to 1 + 2·|ln(F/K)|/s² times as large.
    """
    d, stdev = max(abs(d1), abs(d2)) + 1, d1 - d2
    if d > 37:
        # The density is taken to be zero.
        return mpf(1)
    through_density = d * (1 / stdev + d) + 4
    through_terms = through_density * (1 + abs(d1 + d2) / stdev)
    through_cdf = through_density + 2 * discount * (forward + strike) / values["price"]
    if name == "delta":
        return 2 * EPSILON * (through_density + discount / abs(values["delta"]))
    return 2 * EPSILON * {"gamma": through_terms, "vega": through_terms, "theta": through_terms + through_cdf}.get(name, through_cdf)


class Report:
    def __init__(self):
        self.worst = defaultdict(mpf)
        self.count = defaultdict(int)
        self.failures = []

    def note(self, name, error, limit, line):
        self.count[name] += 1
        self.worst[name] = max(self.worst[name], error)
        if not error <= limit:
            self.failures.append(f"{name}: relative error {mpmath.nstr(error, 5)} above {mpmath.nstr(limit, 5)} in {line}")


def check_option(report, arguments, results, line):
    forward, strike = mpf(int(arguments[0])), mpf(int(arguments[1]))
    volatility, years, rate = (fixed(text) for text in arguments[2:5])
    is_call = arguments[5] == "1"
    inputs = (forward, strike, volatility, years, rate, is_call)
    values, sizes, terms = exact(*inputs)
    peer = quantlib(*inputs)
    for index, name in enumerate(GREEKS):
        found = scaled(*results[2 * index : 2 * index + 2])
        report.note(f"{name} to mpmath", abs(found - values[name]) / sizes[name], CLAIMED["black76"], line)
        if doubles_error(name, values, forward, strike, *terms) <= ALLOWED / 2:
            report.note(f"{name} to QuantLib", abs(found - mpf(peer[name])) / sizes[name], ALLOWED, line)


def check_line(report, line):
    name, *fields = line.split()
    if name == "black76":
        return check_option(report, fields[:6], fields[6:], line)
    if name == "stdev":
        expected, found = fixed(fields[0]) * mpmath.sqrt(mpf(int(fields[1])) / 31536000), fixed(fields[2])
        # Of the two numbers in units of 2^-96 that it is the product of.
        error = abs(found - expected) - mpf(2) ** -90
        return report.note(name, max(error, 0) / expected, CLAIMED[name], line)
    if name == "ln":
        expected, found = mpmath.log(mpf(int(fields[0])) / int(fields[1])), fixed(fields[2])
        return report.note(name, abs(found - expected), CLAIMED[name], line)
    argument, found = fixed(fields[0]), scaled(*fields[1:3])
    expected = {"exp": mpmath.exp, "pdf": mpmath.npdf, "cdf": cdf}[name](argument)
    return report.note(name, abs(found - expected) / expected, CLAIMED[name], line)


def main():
    report = Report()
    with open(sys.argv[1]) as lines:
        for line in lines:
            check_line(report, line.strip())
    for name, worst in report.worst.items():
        print(f"{name:18} {report.count[name]:6} points, largest error {mpmath.nstr(worst, 3)}")
    for name in GREEKS:
        count = report.count[f"{name} to QuantLib"]
        if count < LEAST_QUANTLIB:
            report.failures.append(f"{name}: QuantLib is accurate on {count} points only, expected {LEAST_QUANTLIB}")
    for failure in report.failures[:20]:
        print(failure, file=sys.stderr)
    sys.exit(1 if report.failures else 0)


main()
