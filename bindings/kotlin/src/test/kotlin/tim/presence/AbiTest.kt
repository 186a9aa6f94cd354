package tim.presence

import java.io.File
import kotlin.io.path.createTempDirectory
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

class AbiTest {
    /** Functions of the library that the shim has no use for, and why. */
    private val notNeeded = mapOf(
        "timAbiVersion" to "timCheckAbi compares",
        "timErrorTable" to "timErrorName, timErrorMessage and timErrorFlags answer for one code",
        "timGetWakeFd" to "timSetWakeCallback wakes the polling thread",
        "timSetThreadHooks" to "only for threads of the library, and none of them is used",
    )

    @Test
    fun `the shim uses every function that the library exports, and no other`() {
        val exported = File(System.getProperty("tim.symbols")).readLines().filter { it.isNotBlank() && !it.startsWith("#") }.map { it.substringBefore(' ') }
        val used = File(System.getProperty("tim.native"), "used-symbols.txt").readLines()
        assertTrue(used.size > 30)
        assertEquals(exported.sorted(), (used + notNeeded.keys).sorted())
    }

    @Test
    fun `a library of another version is refused`() {
        assertEquals(0, Native.checkAbi(0, 1))
        val wrong = PresenceException.refused(Native.checkAbi(99, 0))
        assertEquals("TIM_ERR_ABI_MISMATCH", wrong.errorName)
        assertTrue("99" in wrong.message.orEmpty(), wrong.message)
    }

    @Test
    fun `the package has the version of the library`() {
        assertEquals(System.getProperty("tim.version"), PresenceClient.libraryVersion)
    }

    @Test
    fun `numbers of a newer server read as unknown`() {
        assertEquals(Status.UNKNOWN, Status.of(99))
        assertEquals(Status.UNKNOWN, Status.of(-1))
        assertEquals(Reason.UNKNOWN, Reason.of(99))
        assertEquals(setOf(Platform.LINUX), Platform.ofBits(64 or (1 shl 30)))
    }

    @Test
    fun `nothing of the unpacked library is left behind`() {
        val folder = createTempDirectory("tim-presence-test-").toFile()
        assertEquals("going\n", runProgram("tim.presence.EndsWithoutClosing", "-Djava.io.tmpdir=$folder"))
        assertEquals(emptyList(), folder.list().orEmpty().filter { "presence" in it })
        folder.deleteRecursively()
    }
}
