// Logarithms without a library. Fault: a series that is good near 1 only.
import Decisions
import Glibc
import Testing

struct LogarithmTests {
    @Test func theyAreThoseOfTheLibrary() {
        for value in [1e-300, 1e-9, 0.1, 0.5, 0.999, 1, 1.001, 1.4142, 2, 3, 10, 12_345.678, 1e18, 1e300] {
            #expect(abs(value.naturalLogarithm - log(value)) <= 1e-12 * max(1, abs(log(value))), "ln \(value)")
        }
        for value in [-740, -30, -1, -0.001, 0, 0.3, 1, 20, 700] as [Double] {
            #expect(abs(value.exponential / exp(value) - 1) < 1e-10, "e^\(value)")
        }
        for value in [0.5, 1, 1.5, 2, 9.5, 10, 100, 1e6, 1e12] {
            #expect(abs(value.logarithmOfGamma - lgamma(value)) <= 1e-10 * max(1, abs(lgamma(value))), "ln gamma \(value)")
        }
        #expect(0.0.naturalLogarithm == -.infinity && (-1000.0).exponential == 0 && 1000.0.exponential == .infinity)
    }
}
