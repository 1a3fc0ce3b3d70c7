// In which order backends and connections are shown: equal ones stay as they came.
import Model
import Statistics

extension TopSort {
    /// Those with most of it first; names by the alphabet.
    func sorted(_ backends: [ObservedBackend], _ pace: TopPace) -> [ObservedBackend] {
        switch self {
        case .connections: backends.most { Double($0.connections) }
        case .rate: backends.most { pace.rate($0) }
        // Those that fail now before those that once did.
        case .failures: backends.most { Double($0.totals.failures) }.most { Double(pace.newFailures($0)) }
        case .connectTime: backends.most { pace.connectTime($0)?.inSeconds ?? -1 }
        case .bytes: backends.most { pace.byteRate($0) }
        case .name: backends.ordered { $0.name < $1.name }
        }
    }
}

extension TopConnectionSort {
    func sorted(_ connections: [ObservedConnection]) -> [ObservedConnection] {
        switch self {
        case .age: connections.most { $0.age.inSeconds }
        case .idle: connections.most { $0.idle.inSeconds }
        case .bytes: connections.most { Double($0.bytesToBackend) + Double($0.bytesToClient) }
        case .client: connections.ordered { TopConnectionSort.rank($0.client) < TopConnectionSort.rank($1.client) }
        }
    }

    /// Those without an address first, then by number.
    private static func rank(_ client: IPEndpoint?) -> (Int, UInt64, UInt64, UInt16) {
        guard let client else { return (0, 0, 0, 0) }
        return (client.address.family == .ipv4 ? 1 : 2, client.address.high, client.address.low, client.port)
    }
}

extension Array {
    fileprivate func most(_ value: (Element) -> Double) -> [Element] {
        enumerated().map { (place: $0.offset, value: value($0.element)) }
            .sorted { $0.value == $1.value ? $0.place < $1.place : $0.value > $1.value }
            .map { self[$0.place] }
    }

    fileprivate func ordered(_ isBefore: (Element, Element) -> Bool) -> [Element] {
        enumerated().sorted { first, second in
            isBefore(first.element, second.element) || !isBefore(second.element, first.element) && first.offset < second.offset
        }.map(\.element)
    }
}
