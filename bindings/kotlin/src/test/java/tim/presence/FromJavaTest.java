package tim.presence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The binding as a program in Java sees it. */
class FromJavaTest {
    private static final long DEADLINE_S = 60;

    @Test
    void aProgramInJavaIsTold() throws Exception {
        try (EmbeddedServer server = new EmbeddedServer();
                FutureClient alice = new FutureClient(server.getAddress(), 1400000001L);
                FutureClient bob = new FutureClient(server.getAddress(), 1400000001L)) {
            BlockingQueue<UserStatus> told = new LinkedBlockingQueue<>();
            AutoCloseable listening = bob.onStatusChanges(told::addAll);
            CompletableFuture<Subscribed> subscribed = CompletableFuture.allOf(
                            alice.login("alice", server.issueUserSig("alice")), bob.login("bob", server.issueUserSig("bob", 60)))
                    .thenCompose(both -> bob.subscribe(Arrays.asList("alice")));
            List<UserStatus> users = subscribed.get(DEADLINE_S, TimeUnit.SECONDS).getUsers();
            assertEquals(Status.ONLINE, users.get(0).getStatus());
            alice.setSelfStatus("from Java").get(DEADLINE_S, TimeUnit.SECONDS);
            UserStatus change;
            do {
                change = told.poll(DEADLINE_S, TimeUnit.SECONDS);
            } while (change.getCustomStatus().isEmpty());
            assertEquals("from Java", change.getCustomStatus());
            listening.close();
            assertEquals("bob", bob.getClient().getLoginUser());
        }
    }

    @Test
    void whatIsRefusedIsAnExceptionInTheFuture() throws Exception {
        try (EmbeddedServer server = new EmbeddedServer();
                FutureClient client = new FutureClient(server.getAddress(), 1400000001L)) {
            ExecutionException thrown =
                    assertThrows(ExecutionException.class, () -> client.setSelfStatus("x").get(DEADLINE_S, TimeUnit.SECONDS));
            assertEquals(6014, ((PresenceException) thrown.getCause()).getCode());
        }
    }

    @Test
    void aListenerThatThrowsIsReportedAndStays() throws Exception {
        try (EmbeddedServer server = new EmbeddedServer();
                FutureClient client = new FutureClient(server.getAddress(), 1400000001L)) {
            BlockingQueue<Object> told = new LinkedBlockingQueue<>();
            Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
            Thread.setDefaultUncaughtExceptionHandler((thread, error) -> told.add(error));
            try {
                client.onStatusChanges(changes -> {
                    told.add(changes);
                    throw new IllegalStateException("thrown by a listener");
                });
                client.login("alice", server.issueUserSig("alice")).get(DEADLINE_S, TimeUnit.SECONDS);
                assertTrue(told.poll(DEADLINE_S, TimeUnit.SECONDS) instanceof List);
                assertTrue(told.poll(DEADLINE_S, TimeUnit.SECONDS) instanceof IllegalStateException);
                client.setSelfStatus("again").get(DEADLINE_S, TimeUnit.SECONDS);
                assertTrue(told.poll(DEADLINE_S, TimeUnit.SECONDS) instanceof List);
            } finally {
                Thread.setDefaultUncaughtExceptionHandler(before);
            }
        }
    }
}
