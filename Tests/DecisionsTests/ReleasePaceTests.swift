// Faults: all who wait are released at once to a backend that has just started; a failed connect that closes the window
// for good.
import Decisions
import Testing

struct ReleasePaceTests {
    @Test func opensWithSuccessAndClosesWithFailure() {
        var pace = ReleasePace()
        var released = 0
        while pace.hasRoom { pace.begin(); released += 1 }
        #expect(released == 4, "\(released) at once")
        pace.end(connected: true)
        #expect(pace.hasRoom && pace.window == 5)
        for _ in 0..<200 {
            while pace.hasRoom { pace.begin() }
            pace.end(connected: true)
        }
        #expect(pace.window == 64)
        pace.end(connected: false)
        #expect(pace.window == 4 && !pace.hasRoom)
        while pace.underWay > 0 { pace.end(connected: false) }
        #expect(pace.hasRoom)
        pace.slowDown()
        #expect(pace == ReleasePace())
    }
}
