// Sends the event in a file to Loa with the JDK (17 or newer) alone, and says what became of it.
//
//     LOA_URL=http://127.0.0.1:8080 LOA_API_KEY=... java Publish.java event.json
//     java Publish.java --vectors vectors.json     holds the keys to the golden vectors
//
// Exit codes: 0 accepted, 2 refused (each wrong field is named), 3 no answer for now.

import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.text.Normalizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

public class Publish {
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final PrintStream ERR = new PrintStream(System.err, true, StandardCharsets.UTF_8);
    static final HttpClient CLIENT =
        HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    static final long PATIENCE_S = 10; // what all tries may wait, as in Loa's own clients

    public static void main(String[] words) throws Exception {
        if (words.length == 2 && words[0].equals("--vectors")) System.exit(holdVectors(words[1]));
        if (words.length != 1) {
            ERR.println("usage: java Publish.java EVENT.json");
            System.exit(2);
        }
        System.exit(publish(Files.readAllBytes(Path.of(words[0]))));
    }

    static int publish(byte[] event) throws Exception {
        Answer answer = send(request("/v1/events")
            .header("Content-Type", "application/cloudevents+json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(event)).build());
        if (answer.status() != 202) return refused(answer);
        Map<String, Object> said = answer.said();
        OUT.println("accepted " + said.get("event_id"));
        showKeys(object(Json.parse(new String(event, StandardCharsets.UTF_8))), said);
        return follow((String) said.get("status_url"));
    }

    static int refused(Answer answer) {
        if (answer.status() == 0) {
            ERR.println("no answer of Loa; send the same event again later");
            return 3;
        }
        Map<String, Object> said = answer.said();
        ERR.println(answer.status() + " " + said.get("title") + " / " + said.get("title_vi"));
        for (Object one : list(said.get("errors"))) {
            Map<String, Object> error = object(one);
            ERR.println(error.get("field") + ": " + error.get("message") + " / " + error.get("message_vi"));
        }
        return answer.mayRepeat() ? 3 : 2;
    }

    /** Loa's answer. Status 0: none, as the connection was lost or something before Loa answered. */
    record Answer(int status, Map<String, Object> said, long retryAfterS) {
        boolean mayRepeat() {
            return status == 0 || status == 408 || status == 429 || status >= 500;
        }
    }

    // A repeat of the very same event is harmless: no answer, 408, 429 and 5xx are sent again.
    static Answer send(HttpRequest request) throws InterruptedException {
        long left = PATIENCE_S;
        for (long pause = 1; ; pause *= 2) {
            Answer answer = ask(request);
            long wait = Math.max(pause, answer.retryAfterS());
            if (!answer.mayRepeat() || wait > left) return answer;
            left -= wait;
            Thread.sleep(Duration.ofSeconds(wait).toMillis());
        }
    }

    static Answer ask(HttpRequest request) throws InterruptedException {
        try {
            HttpResponse<String> answer = CLIENT.send(request, BodyHandlers.ofString());
            String seconds = answer.headers().firstValue("Retry-After").orElse("");
            long retryAfterS = seconds.matches("[0-9]{1,18}") ? Long.parseLong(seconds) : 0; // not a date
            Map<String, Object> said = read(answer.body());
            if (said != null) return new Answer(answer.statusCode(), said, retryAfterS);
            ERR.println("answered " + answer.statusCode() + ", and not as Loa does: check the address");
            return new Answer(0, null, retryAfterS);
        } catch (IOException lost) {
            ERR.println(lost);
            return new Answer(0, null, 0);
        }
    }

    /** The members of Loa's own answer, or null: a proxy answers with a page, or JSON of its own. */
    static Map<String, Object> read(String body) {
        try {
            if (Json.parse(body) instanceof Map<?, ?> said
                && (said.containsKey("event_id") || said.containsKey("state") || said.containsKey("title_vi"))) {
                return object(said);
            }
        } catch (IllegalArgumentException noJson) {
            return null;
        }
        return null;
    }

    static HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(System.getenv("LOA_URL") + path))
            .timeout(Duration.ofSeconds(30))
            .header("Authorization", "Bearer " + System.getenv("LOA_API_KEY"));
    }

    static int follow(String statusUrl) throws Exception {
        for (int asked = 0; asked < 60; asked++) {
            Answer answer = send(request(statusUrl).build());
            if (answer.status() != 200) return refused(answer);
            Object state = answer.said().get("state");
            if (!"received".equals(state)) {
                OUT.println("state " + state);
                return "refused".equals(state) ? 2 : 0;
            }
            Thread.sleep(1000);
        }
        OUT.println("state received");
        return 0;
    }

    static void showKeys(Map<String, Object> event, Map<String, Object> said) throws Exception {
        String source = (String) event.get("source");
        if (source.startsWith("/units/")) {
            String id = digest(source.substring(7), source, (String) event.get("id")).substring(0, 26);
            OUT.println(id.equals(said.get("event_id")) ? "event_id is as computed here" : "event_id differs: " + id);
        }
        OUT.println("content hash " + contentHash((String) event.get("type"), event.get("data")));
    }

    // --- keys

    static String digest(String... parts) throws Exception {
        byte[] joined = String.join("\0", parts).getBytes(StandardCharsets.UTF_8);
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(joined);
        StringBuilder text = new StringBuilder();
        for (int bit = 0; bit < 256; bit += 5) {
            int five = 0;
            for (int at = bit; at < bit + 5; at++) {
                five = five << 1 | (at < 256 ? hash[at / 8] >> (7 - at % 8) & 1 : 0);
            }
            text.append("abcdefghijklmnopqrstuvwxyz234567".charAt(five));
        }
        return text.toString();
    }

    static String contentHash(String type, Object data) throws Exception {
        return digest(canonical(Arrays.asList(type, data)));
    }

    static String canonical(Object value) {
        if (value instanceof String text) return quoted(Normalizer.normalize(text, Normalizer.Form.NFC));
        if (value instanceof List<?> list) {
            return "[" + String.join(",", list.stream().map(Publish::canonical).toList()) + "]";
        }
        if (!(value instanceof Map<?, ?> map)) return String.valueOf(value);
        // Code point order, which is the order of UTF-8; Java's own order is that of UTF-16.
        Map<String, String> pairs = new TreeMap<>((one, other) -> Arrays.compareUnsigned(
            one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8)));
        map.forEach((key, inner) -> pairs.put(
            Normalizer.normalize((String) key, Normalizer.Form.NFC), canonical(inner)));
        List<String> written = new ArrayList<>();
        pairs.forEach((key, inner) -> written.add(quoted(key) + ":" + inner));
        return "{" + String.join(",", written) + "}";
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            int escape = "\"\\\b\f\n\r\t".indexOf(one);
            if (escape >= 0) out.append('\\').append("\"\\bfnrt".charAt(escape));
            else if (one < ' ') out.append(String.format("\\u%04x", (int) one));
            else out.append(one);
        }
        return out.append('"').toString();
    }

    static int holdVectors(String file) throws Exception {
        Map<String, Object> vectors = object(Json.parse(Files.readString(Path.of(file))));
        List<String> wrong = new ArrayList<>();
        for (String group : List.of("digest", "event_id", "content_hash", "normalisation")) {
            int number = 0;
            for (Object one : list(vectors.get(group))) {
                Map<String, Object> vector = object(one);
                if (!holds(group, vector)) wrong.add(group + "[" + number + "]");
                number++;
            }
        }
        OUT.println(wrong.isEmpty() ? "every vector holds" : String.join("\n", wrong));
        return wrong.isEmpty() ? 0 : 1;
    }

    static boolean holds(String group, Map<String, Object> vector) throws Exception {
        switch (group) {
            case "digest":
                return digest(list(vector.get("parts")).toArray(String[]::new)).equals(vector.get("digest"));
            case "event_id":
                String id = digest((String) vector.get("unit"), (String) vector.get("source"), (String) vector.get("id"));
                return id.substring(0, 26).equals(vector.get("event_id"));
            case "content_hash":
                String text = canonical(Arrays.asList(vector.get("type"), vector.get("data")));
                return text.equals(vector.get("canonical")) && digest(text).equals(vector.get("content_hash"));
            default:
                String given = (String) vector.get("text");
                return Normalizer.normalize(given, Normalizer.Form.NFC).equals(vector.get("nfc"));
        }
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> list(Object value) {
        return value == null ? List.of() : (List<Object>) value;
    }

    /** A reader of JSON, which the JDK lacks; numbers stay as they are written. */
    static class Json {
        record Number(String digits) {
            public String toString() {
                return digits.equals("-0") ? "0" : digits;
            }
        }

        final String text;
        int at = 0;

        Json(String text) {
            this.text = text;
        }

        static Object parse(String text) {
            Json json = new Json(text);
            Object value = json.value();
            json.spaces();
            if (json.at < text.length()) throw json.wrong();
            return value;
        }

        IllegalArgumentException wrong() {
            return new IllegalArgumentException("not JSON at character " + (at + 1));
        }

        void spaces() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        }

        boolean took(String word) {
            spaces();
            boolean found = text.startsWith(word, at);
            if (found) at += word.length();
            return found;
        }

        void need(String word) {
            if (!took(word)) throw wrong();
        }

        Object value() {
            if (took("{")) return members();
            if (took("[")) return entries();
            if (took("\"")) return string();
            if (took("true")) return true;
            if (took("false")) return false;
            if (took("null")) return null;
            int start = at;
            while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
            if (start == at) throw wrong();
            return new Number(text.substring(start, at));
        }

        Map<String, Object> members() {
            Map<String, Object> map = new LinkedHashMap<>();
            if (took("}")) return map;
            do {
                need("\"");
                String key = string();
                need(":");
                map.put(key, value());
            } while (took(","));
            need("}");
            return map;
        }

        List<Object> entries() {
            List<Object> list = new ArrayList<>();
            if (took("]")) return list;
            do list.add(value());
            while (took(","));
            need("]");
            return list;
        }

        String string() {
            StringBuilder out = new StringBuilder();
            for (char one = next(); one != '"'; one = next()) {
                if (one != '\\') {
                    out.append(one);
                    continue;
                }
                char escape = next();
                if (escape == 'u') {
                    out.append((char) Integer.parseInt("" + next() + next() + next() + next(), 16));
                } else {
                    int known = "bfnrt".indexOf(escape);
                    out.append(known < 0 ? escape : "\b\f\n\r\t".charAt(known));
                }
            }
            return out.toString();
        }

        char next() {
            if (at == text.length()) throw wrong();
            return text.charAt(at++);
        }
    }
}
