// Waiting for a condition with a deadline: asked every few milliseconds, never slept for.
import Glibc
import Model
import Testing

/// Asks until there is an answer; throws when the deadline passes first: later where lbd is slowed by a sanitizer, and
/// later where it only ends a wait in vain. Five seconds and more are nobody's promise; a busy machine may take them.
@discardableResult
func eventually<Value>(
    within limit: Duration, _ what: @autoclosure () -> String, at location: SourceLocation = #_sourceLocation,
    _ answer: () throws -> Value?
) throws -> Value {
    let limit = limit * Scale.patience * (limit < .seconds(5) ? 1 : 4)
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try answer() { return value }
        guard ContinuousClock.now < deadline else {
            throw HarnessError("waited \(limit.spoken) in vain: \(what())", at: location)
        }
        poll(nil, 0, 15)
    }
}

/// Asks until it is true; throws when the deadline passes first.
func eventually(
    within limit: Duration, _ what: @autoclosure () -> String, at location: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
) throws {
    let _: Bool = try eventually(within: limit, what(), at: location) { try condition() ? true : nil }
}

/// Lets time pass while something is measured that must not happen: never to wait for something that must.
func observe(for time: Duration) { poll(nil, 0, Int32(time.wholeMilliseconds)) }
