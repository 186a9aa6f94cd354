import com.sun.jna.Callback;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.NativeLong;

/**
 * What JNA (direct mapping, its fastest form) costs for the same work as JniProbe. Prints nanoseconds. With the jar of net.java.dev.jna:jna:
 * {@code javac -cp jna.jar JnaProbe.java && java -cp jna.jar:. JnaProbe .../target/release/libtim_presence.so}
 */
public final class JnaProbe {
    static native int timClientCreate(String options, LongByReference client);
    static native int timClientDestroy(long client, int timeoutMs);
    static native int timGetLoginState(long client, Pointer state);
    static native int timGetUserStatus(long client, Pointer ids, NativeLong count, Callback done, Pointer userData);
    static native int timPoll(long client, NativeLong max, int timeoutMs, Pointer handled);
    static native int timServerStart(String options, LongByReference server);
    static native int timServerAddress(long server, byte[] buf, NativeLong capacity, Pointer needed);
    static native int timServerIssueUserSig(long server, String user, int valid, byte[] buf, NativeLong capacity, Pointer needed);
    static native int timLogin(long client, String user, String sig, Callback done, Pointer userData);
    static native int timSetSelfStatus(long client, String text, Callback done, Pointer userData);

    public interface ResultFn extends Callback {
        void invoke(Pointer result, Pointer userData);
    }

    static long results, users;
    /** Not a local variable: the collector would free it while C reads it, as its last use in Java is long before. */
    static Memory[] names = new Memory[64];

    static final ResultFn DONE = (result, userData) -> {
        results++;
        int code = result.getInt(4);
        String message = result.getPointer(8).getString(0, "UTF-8");
        long count = result.getLong(32);
        if (count == 0) return;
        Pointer items = result.getPointer(24);
        for (int i = 0; i < count; i++) {
            Pointer item = items.getPointer(8L * i);
            long sum = item.getInt(4) + item.getInt(8) + item.getInt(12) + item.getInt(16) + item.getLong(24) + item.getLong(32);
            users += item.getPointer(40).getString(0, "UTF-8").length() > 0 ? 1 : sum;
            users += item.getPointer(48).getString(0, "UTF-8").length();
        }
        if (code == 12345) throw new IllegalStateException(message);
    };

    static String text(byte[] buf) {
        int n = 0;
        while (buf[n] != 0) n++;
        return new String(buf, 0, n, java.nio.charset.StandardCharsets.UTF_8);
    }

    static void drain(long client, long until) {
        while (results < until) timPoll(client, new NativeLong(64), 1000, null);
    }

    public static void main(String[] args) {
        Native.register(JnaProbe.class, args[0]);
        LongByReference out = new LongByReference();
        timServerStart("{\"rate_calls\": 0}", out);
        long server = out.getValue();
        byte[] buf = new byte[1024];
        timServerAddress(server, buf, new NativeLong(1024), null);
        String address = text(buf);
        timServerIssueUserSig(server, "alice", 3600, buf, new NativeLong(1024), null);
        String sig = text(buf);
        timClientCreate("{\"server\": \"" + address + "\", \"sdk_app_id\": 1400000001, \"delivery\": \"poll\"}", out);
        long client = out.getValue();
        Memory state = new Memory(4);
        Memory ids = new Memory(64 * 8);
        for (int i = 0; i < 64; i++) {
            names[i] = new Memory(16);
            names[i].setString(0, "user" + i, "UTF-8");
            ids.setPointer(8L * i, names[i]);
        }
        for (int round = 0; round < 2; round++) {
            int calls = 200_000;
            long t0 = System.nanoTime();
            for (int i = 0; i < calls; i++) timGetLoginState(client, state);
            long t1 = System.nanoTime();
            // Refused by the client itself (6014): the result is all that is measured.
            int batch = 5_000, batches = 10;
            long poll = 0, before = results;
            for (int b = 0; b < batches; b++) {
                for (int i = 0; i < batch; i++) timSetSelfStatus(client, "x", DONE, null);
                while (results < before + 1) timPoll(client, new NativeLong(1), 1000, null);
                settle();
                long p0 = System.nanoTime();
                drain(client, before + batch);
                poll += System.nanoTime() - p0;
                before += batch;
            }
            System.out.printf("jna: call %d ns, result by poll %d ns%n", (t1 - t0) / calls, poll / (batch * batches));
        }
        long before = results;
        int code = timLogin(client, "alice", sig, DONE, null);
        if (code != 0) throw new IllegalStateException("login " + code);
        drain(client, before + 1);
        for (int round = 0; round < 4; round++) {
            int batch = 500;
            before = results;
            for (int i = 0; i < batch; i++) {
                code = timGetUserStatus(client, ids, new NativeLong(64), DONE, null);
                if (code != 0) throw new IllegalStateException("query " + code);
            }
            settle();
            long p0 = System.nanoTime();
            drain(client, before + batch);
            System.out.printf("jna: answer of 64 users by poll %d ns%n", (System.nanoTime() - p0) / batch);
        }
        timClientDestroy(client, 5000);
    }

    /** Lets the library's threads finish what is queued, so that only the poll is measured. A probe may sleep. */
    static void settle() {
        try {
            Thread.sleep(150);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
