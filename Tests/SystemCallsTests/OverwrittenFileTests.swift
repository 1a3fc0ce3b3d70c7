// Files of somebody else's, replaced. Faults: a configuration that only root can read afterwards, a link that has become
// a copy, a half-written file, content that lands where a planted link points.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

struct OverwrittenFileTests {
    private func status(_ path: String) -> stat {
        var status = stat()
        #expect(lstat(path, &status) == 0, "\(path)")
        return status
    }

    private func text(_ path: String) throws -> String { String(decoding: try Files.read(path, bytesMax: 1000), as: UTF8.self) }

    @Test func modeAndOwnerStay() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a"
        try Files.replace(path, with: Array("old".utf8), mode: 0o600)
        // A mode that no umask would leave.
        #expect(chmod(path, 0o606) == 0)
        let before = status(path)
        try Files.overwrite(path, with: Array("new".utf8))
        let after = status(path)
        #expect(try text(path) == "new")
        #expect(after.st_mode == before.st_mode && after.st_uid == before.st_uid && after.st_gid == before.st_gid)
        #expect(after.st_ino != before.st_ino, "written beside and renamed, never in place")
        #expect(access(path + ".new", F_OK) != 0)
    }

    @Test func aLinkIsFollowedAndStays() throws {
        let folder = try TemporaryFolder()
        try Files.replace(folder.path + "/real", with: Array("old".utf8))
        #expect(symlink("real", folder.path + "/link") == 0)
        try Files.overwrite(folder.path + "/link", with: Array("new".utf8))
        #expect(status(folder.path + "/link").st_mode & S_IFMT == S_IFLNK)
        #expect(try text(folder.path + "/real") == "new")
    }

    @Test func aNewFileGetsItsMode() throws {
        let folder = try TemporaryFolder()
        try Files.overwrite(folder.path + "/a", with: [], mode: 0o600)
        #expect(status(folder.path + "/a").st_mode & 0o777 == 0o600)
    }

    @Test func aPlantedLinkBesideIsNotFollowed() throws {
        let folder = try TemporaryFolder()
        try Files.replace(folder.path + "/victim", with: Array("precious".utf8))
        #expect(symlink("victim", folder.path + "/a.new") == 0)
        try Files.overwrite(folder.path + "/a", with: Array("new".utf8))
        #expect(try text(folder.path + "/victim") == "precious")
        #expect(try text(folder.path + "/a") == "new")
    }

    @Test func whatCannotBeWrittenLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        #expect(throws: SystemError.self) { try Files.overwrite(folder.path + "/none/a", with: []) }
        #expect(mkdir(folder.path + "/a", 0o700) == 0)
        #expect(throws: SystemError.self) { try Files.overwrite(folder.path + "/a", with: []) }
        #expect(access(folder.path + "/a.new", F_OK) != 0)
    }
}
