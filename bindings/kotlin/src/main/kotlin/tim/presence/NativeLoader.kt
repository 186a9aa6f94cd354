package tim.presence

import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.util.Locale

/**
 * Finds the shared object with the JNI shim and the library, and loads it: from the file that the system property
 * `tim.presence.library` names; on Android from the application's own libraries; else from the jar; and if that has none
 * for this system, from `java.library.path`.
 */
internal object NativeLoader {
    private const val NAME = "tim_presence_jni"

    fun load() {
        val chosen = System.getProperty("tim.presence.library")
        when {
            chosen != null -> System.load(File(chosen).absolutePath)
            System.getProperty("java.vendor").orEmpty().contains("Android") -> System.loadLibrary(NAME)
            else -> FromJar.load(NAME)
        }
    }
}

/** Apart, because `java.nio.file` is younger than the Androids that [NativeLoader] serves. */
private object FromJar {
    fun load(name: String) {
        val platform = platform()
        val resource = "/META-INF/native/$platform/lib$name.so"
        val stream = FromJar::class.java.getResourceAsStream(resource)
        if (stream == null) {
            try {
                return System.loadLibrary(name)
            } catch (error: UnsatisfiedLinkError) {
                throw UnsatisfiedLinkError(
                    "tim-presence has no library for $platform: there is neither $resource in the jar nor lib$name in " +
                        "java.library.path (${error.message}). The system property tim.presence.library may name the file.",
                )
            }
        }
        // A folder that only this user can enter: nobody else can put a file of theirs in the place of ours.
        val folder = Files.createTempDirectory("tim-presence-")
        val file = folder.resolve("lib$name.so")
        try {
            stream.use { Files.copy(it, file) }
            System.load(file.toString())
        } catch (error: IOException) {
            throw UnsatisfiedLinkError("tim-presence cannot unpack its library to $file: $error. java.io.tmpdir may name another folder.")
        } finally {
            // What is loaded needs no name any more, so nothing is left behind even by a process that is killed.
            Files.deleteIfExists(file)
            Files.deleteIfExists(folder)
        }
    }

    /** As native/build.sh names it: system, dash, machine. */
    private fun platform(): String {
        val system = System.getProperty("os.name").lowercase(Locale.ROOT).substringBefore(' ')
        val machine = when (val name = System.getProperty("os.arch").lowercase(Locale.ROOT)) {
            "amd64", "x86_64" -> "x86_64"
            "arm64", "aarch64" -> "aarch64"
            else -> name
        }
        return "$system-$machine"
    }
}
