// A backend of the status as JSON, field by field: of a fleet there are thousands in one answer, and by way of Codable each
// of them takes three times as long. The text is Codable's, which a test holds it to.
import Model

extension JSONText {
    package static func append(_ backend: BackendReport, to bytes: inout [UInt8]) {
        var text = JSONState()
        swap(&bytes, &text.bytes)
        text.append(backend)
        swap(&bytes, &text.bytes)
    }
}

extension JSONState {
    fileprivate mutating func append(_ backend: BackendReport) {
        put("{\"name\":", backend.name)
        put(",\"address\":", backend.address)
        put(",\"wish\":", backend.wish.rawValue)
        put(",\"probe\":", backend.probe.rawValue)
        put(",\"availability\":", backend.availability.rawValue)
        put(",\"connections\":", backend.connections)
        if let most = backend.connectionsMax { put(",\"connectionsMax\":", most) }
        put(",\"connectionsTotal\":", backend.connectionsTotal)
        put(",\"connectFailures\":", backend.connectFailures)
        put(",\"resets\":", backend.resets)
        put(",\"bytesToBackend\":", backend.bytesToBackend)
        put(",\"bytesToClient\":", backend.bytesToClient)
        put(",\"weight\":", backend.weight)
        if let share = backend.share { put(",\"share\":", share) }
        append(backend.backup ? ",\"backup\":true" : ",\"backup\":false" as StaticString)
        if let since = backend.probeSince { put(",\"probeSince\":", since) }
        put(",\"probeSequence\":", backend.probeSequence)
        if let at = backend.probedAt { put(",\"probedAt\":", at) }
        if let failure = backend.probeFailure { put(",\"probeFailure\":", failure) }
        if let drain = backend.drain {
            append(",\"drain\":" as StaticString)
            JSONText.append(drain, to: &bytes)
        }
        append(backend.removing ? ",\"removing\":true}" : ",\"removing\":false}" as StaticString)
    }

    private mutating func put(_ key: StaticString, _ value: String) {
        append(key)
        append(value)
    }

    private mutating func put(_ key: StaticString, _ value: some FixedWidthInteger) {
        append(key)
        append(value)
    }
}
