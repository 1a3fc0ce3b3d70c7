// SipHash-2-4 as the paper has it. Faults: another hash under the same name, so that two versions of lbd disagree.
import Decisions
import Testing

struct SipHashTests {
    /// Key 00 01 … 0f.
    private let key = SipHash.Key(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908)

    /// Appendix A of the paper: the message 00 01 … 0e.
    @Test func vectorOfThePaper() {
        #expect(SipHash.hash(Array(0..<15), key: key) == 0xa129_ca61_49be_45e5)
    }

    /// From the authors' vectors.h (`vectors_sip64`): the messages 00 01 … of these lengths.
    @Test(arguments: [
        (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (4, 0xcf27_94e0_2771_87b7),
        (7, 0xab02_00f5_8b01_d137), (8, 0x93f5_f579_9a93_2462), (16, 0x3f2a_cc7f_57c2_9bdb),
    ] as [(Int, UInt64)])
    func vectorsOfTheAuthors(_ length: Int, _ hash: UInt64) {
        #expect(SipHash.hash((0..<length).map { UInt8($0) }, key: key) == hash)
    }

    @Test func addressesAreHashedAsTheirBytes() {
        #expect(SipHash.hash(word: 0x0302_0100, key: key) == 0xcf27_94e0_2771_87b7)
        #expect(SipHash.hash(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908, key: key) == 0x3f2a_cc7f_57c2_9bdb)
    }
}
