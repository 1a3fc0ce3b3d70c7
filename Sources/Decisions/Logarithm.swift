// Logarithms for pure code, which imports no library of mathematics: exact to about fourteen digits.

extension Double {
    private static let logarithmOfTwo = 0.693_147_180_559_945_3

    /// Of a positive number; of nothing it is -infinity.
    package var naturalLogarithm: Double {
        guard self > 0 else { return -.infinity }
        guard isFinite else { return self }
        var (power, mantissa) = (Double(exponent), significand)
        if mantissa > 1.414_213_562_373_095 { (power, mantissa) = (power + 1, mantissa / 2) }
        // 2 artanh z = ln((1 + z) / (1 - z)), and |z| < 0.172.
        let ratio = (mantissa - 1) / (mantissa + 1)
        let square = ratio * ratio
        var (sum, term) = (0.0, ratio)
        for odd in stride(from: 1.0, through: 19, by: 2) {
            sum += term / odd
            term *= square
        }
        return power * Double.logarithmOfTwo + 2 * sum
    }

    package var exponential: Double {
        guard self < 709 else { return .infinity }
        guard self > -745 else { return 0 }
        let doublings = (self / Double.logarithmOfTwo).rounded()
        let rest = self - doublings * Double.logarithmOfTwo
        var (sum, term) = (1.0, 1.0)
        for count in 1...16 {
            term *= rest / Double(count)
            sum += term
        }
        return sum * Double(sign: .plus, exponent: Int(doublings), significand: 1)
    }

    /// ln of the gamma function of a positive number: Stirling's series, from 10 on.
    package var logarithmOfGamma: Double {
        var (value, product) = (self, 1.0)
        while value < 10 {
            product *= value
            value += 1
        }
        let inverse = 1 / value
        let square = inverse * inverse
        let series = inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680)))
        return (value - 0.5) * value.naturalLogarithm - value + 0.918_938_533_204_672_7 + series - product.naturalLogarithm
    }
}
