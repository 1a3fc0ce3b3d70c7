// The segment's first bytes: what it is, and where everything lies in it. See Layout.
import SystemCalls

package enum SegmentHeader {
    static let magic = Array("SLUICEst".utf8)
    static let areasOffset = 32
    static let areaBytes = 24
    static var bytes: Int { areasOffset + SegmentArea.allCases.count * areaBytes }

    static func bytes(of layout: SegmentLayout) -> EntryBytes {
        var entry = EntryBytes(count: SegmentLayout.pageBytes)
        for (index, byte) in magic.enumerated() { entry.put(byte, at: index) }
        entry.put(SegmentLayout.version, at: 8)
        entry.put(UInt32(SegmentArea.allCases.count), at: 12)
        entry.put(UInt64(layout.bytes), at: 16)
        entry.put(UInt32(layout.workers), at: 24)
        for area in SegmentArea.allCases {
            let place = areasOffset + area.rawValue * areaBytes
            entry.put(UInt64(layout.offset(area, 0)), at: place)
            entry.put(UInt32(area.stride), at: place + 8)
            entry.put(UInt32(layout.count(area)), at: place + 12)
            entry.put(UInt32(layout.arrays(area)), at: place + 16)
        }
        return entry
    }
}
