package tim.presence

import java.io.ByteArrayOutputStream
import java.nio.CharBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.CodingErrorAction

private const val INVALID_ARGUMENT = -4
private const val NOT_UTF8 = -2

/**
 * The text in UTF-8. What C cannot be told is refused here: half a surrogate pair with `TIM_ERR_NOT_UTF8`, U+0000, of which C would
 * see only what comes before, with `TIM_ERR_INVALID_ARGUMENT`.
 */
internal fun utf8(text: String, what: String): ByteArray {
    if (text.indexOf('\u0000') >= 0) throw PresenceException.of(INVALID_ARGUMENT, "$what holds U+0000")
    val encoder = Charsets.UTF_8.newEncoder().onMalformedInput(CodingErrorAction.REPORT)
    val encoded = try {
        encoder.encode(CharBuffer.wrap(text))
    } catch (_: CharacterCodingException) {
        throw PresenceException.of(NOT_UTF8, "$what holds half a surrogate pair")
    }
    return ByteArray(encoded.remaining()).also { encoded.get(it) }
}

/** Several texts as C takes them. Counted as they are read: a collection that another thread changes has no size to go by. */
internal class Utf8Texts(texts: Collection<String>) {
    /** How many there are in [joined]. */
    val count: Int

    /** One after another, each followed by a NUL. */
    val joined: ByteArray

    init {
        val bytes = ByteArrayOutputStream()
        var read = 0
        for (text in texts) {
            bytes.write(utf8(text, "userIds[${read++}]"))
            bytes.write(0)
        }
        count = read
        joined = bytes.toByteArray()
    }
}

/** The text as JSON has it. */
internal fun jsonText(text: String): String = buildString(text.length + 2) {
    append('"')
    for (char in text) {
        when {
            char == '"' || char == '\\' -> append('\\').append(char)
            char < ' ' -> append("\\u%04x".format(char.code))
            else -> append(char)
        }
    }
    append('"')
}
