// Sends the event in a file to Loa with Go's standard library alone, and says what became of it.
//
//	LOA_URL=http://127.0.0.1:8080 LOA_API_KEY=... go run publish.go event.json
//	go run publish.go --vectors vectors.json     holds the keys to the golden vectors
//
// Exit codes: 0 accepted, 2 refused (each wrong field is named), 3 no answer for now.
//
// The standard library has no Unicode normalisation: the content hash is right for text in NFC, as
// keyboards write it. For other text use golang.org/x/text/unicode/norm.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What all tries may wait, in seconds, as in Loa's own clients.
const patience = 10

var client = &http.Client{Timeout: 30 * time.Second}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "--vectors":
		os.Exit(holdVectors(os.Args[2]))
	case len(os.Args) == 2:
		event, err := os.ReadFile(os.Args[1])
		check(err)
		os.Exit(publish(event))
	}
	fmt.Fprintln(os.Stderr, "usage: publish EVENT.json")
	os.Exit(2)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

type fieldError struct {
	Field     string `json:"field"`
	Message   string `json:"message"`
	MessageVi string `json:"message_vi"`
}

// The fields of Loa's answer that are used here; others may come at any time. Status 0 is none: the
// connection was lost, or something before Loa answered.
type answer struct {
	status     int
	retryAfter int // seconds

	EventID   string       `json:"event_id"`
	StatusURL string       `json:"status_url"`
	State     string       `json:"state"`
	Title     string       `json:"title"`
	TitleVi   string       `json:"title_vi"`
	Errors    []fieldError `json:"errors"`
}

func publish(event []byte) int {
	said := send("POST", "/v1/events", event)
	if said.status != http.StatusAccepted {
		return refused(said)
	}
	fmt.Println("accepted", said.EventID)
	showKeys(event, said.EventID)
	return follow(said.StatusURL)
}

func refused(said answer) int {
	if said.status == 0 {
		fmt.Fprintln(os.Stderr, "no answer of Loa; send the same event again later")
		return 3
	}
	fmt.Fprintf(os.Stderr, "%d %s / %s\n", said.status, said.Title, said.TitleVi)
	for _, one := range said.Errors {
		fmt.Fprintf(os.Stderr, "%s: %s / %s\n", one.Field, one.Message, one.MessageVi)
	}
	if said.mayRepeat() {
		return 3
	}
	return 2
}

func (said answer) mayRepeat() bool {
	return said.status == 0 || said.status == http.StatusRequestTimeout ||
		said.status == http.StatusTooManyRequests || said.status >= 500
}

// A repeat of the very same event is harmless: no answer, 408, 429 and 5xx are sent again.
func send(method, path string, body []byte) answer {
	left := patience
	for pause := 1; ; pause *= 2 {
		said := ask(method, path, body)
		wait := max(pause, said.retryAfter)
		if !said.mayRepeat() || wait > left {
			return said
		}
		left -= wait
		time.Sleep(time.Duration(wait) * time.Second)
	}
}

func ask(method, path string, body []byte) answer {
	request, err := http.NewRequest(method, os.Getenv("LOA_URL")+path, bytes.NewReader(body))
	check(err)
	request.Header.Set("Content-Type", "application/cloudevents+json")
	request.Header.Set("Authorization", "Bearer "+os.Getenv("LOA_API_KEY"))
	response, err := client.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return answer{}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return answer{}
	}
	return read(response, content)
}

// Loa's own answer, or status 0: a proxy answers with a page, or JSON of its own.
func read(response *http.Response, content []byte) answer {
	said := answer{status: response.StatusCode}
	err := json.Unmarshal(content, &said)
	if err != nil || said.EventID+said.State+said.TitleVi == "" {
		fmt.Fprintf(os.Stderr, "answered %d, and not as Loa does: check the address\n", response.StatusCode)
		said = answer{}
	}
	said.retryAfter, _ = strconv.Atoi(response.Header.Get("Retry-After")) // a date counts as 0
	return said
}

func follow(statusURL string) int {
	said := answer{State: "received"}
	for asked := 0; asked < 60 && said.State == "received"; asked++ {
		if asked > 0 {
			time.Sleep(time.Second)
		}
		said = send("GET", statusURL, nil)
		if said.status != http.StatusOK {
			return refused(said)
		}
	}
	fmt.Println("state", said.State)
	if said.State == "refused" {
		return 2
	}
	return 0
}

func showKeys(event []byte, eventID string) {
	whole := parse(event).(map[string]any)
	source := whole["source"].(string)
	if unit := strings.TrimPrefix(source, "/units/"); unit != source {
		if own := digest(unit, source, whole["id"].(string))[:26]; own == eventID {
			fmt.Println("event_id is as computed here")
		} else {
			fmt.Println("event_id differs:", own)
		}
	}
	fmt.Println("content hash", digest(canonical([]any{whole["type"], whole["data"]})))
}

// --- keys

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return letters.EncodeToString(sum[:])
}

// Numbers stay as they are written.
func parse(text []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	check(decoder.Decode(&value))
	return value
}

// Go orders strings by their UTF-8 bytes, which is code point order.
func canonical(value any) string {
	switch known := value.(type) {
	case string:
		return quoted(known)
	case json.Number:
		if known == "-0" {
			return "0"
		}
		return known.String()
	case []any:
		var inner []string
		for _, one := range known {
			inner = append(inner, canonical(one))
		}
		return "[" + strings.Join(inner, ",") + "]"
	case map[string]any:
		var pairs []string
		for _, key := range sortedKeys(known) {
			pairs = append(pairs, quoted(key)+":"+canonical(known[key]))
		}
		return "{" + strings.Join(pairs, ",") + "}"
	case nil:
		return "null"
	}
	return fmt.Sprint(value)
}

func sortedKeys(object map[string]any) []string {
	var keys []string
	for key := range object {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// encoding/json also escapes <, >, & and U+2028, which the canonical form does not.
func quoted(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, one := range text {
		if at := strings.IndexRune("\"\\\b\f\n\r\t", one); at >= 0 {
			out.WriteByte('\\')
			out.WriteByte("\"\\bfnrt"[at])
		} else if one < ' ' {
			fmt.Fprintf(&out, "\\u%04x", one)
		} else {
			out.WriteRune(one)
		}
	}
	return out.String() + `"`
}

func holdVectors(file string) int {
	text, err := os.ReadFile(file)
	check(err)
	vectors := parse(text).(map[string]any)
	wrong, left := []string{}, 0
	for _, group := range []string{"digest", "event_id", "content_hash"} {
		for number, one := range vectors[group].([]any) {
			vector := one.(map[string]any)
			if group == "content_hash" && mayChange(canonical(vector["data"])) {
				left++
			} else if !holds(group, vector) {
				wrong = append(wrong, fmt.Sprintf("%s[%d]", group, number))
			}
		}
	}
	if len(wrong) > 0 {
		fmt.Println(strings.Join(wrong, "\n"))
		return 1
	}
	fmt.Printf("every vector holds; %d need normalisation and were left out\n", left)
	return 0
}

// Whether the text has characters that normalisation may change: marks, and some letters of old.
func mayChange(text string) bool {
	for _, one := range text {
		if unicode.Is(unicode.M, one) || unicode.Is(unicode.Hangul, one) || one == '\u2126' || one == '\u212b' {
			return true
		}
	}
	return false
}

func holds(group string, vector map[string]any) bool {
	switch group {
	case "digest":
		var parts []string
		for _, one := range vector["parts"].([]any) {
			parts = append(parts, one.(string))
		}
		return digest(parts...) == vector["digest"]
	case "event_id":
		id := digest(vector["unit"].(string), vector["source"].(string), vector["id"].(string))
		return id[:26] == vector["event_id"]
	}
	text := canonical([]any{vector["type"], vector["data"]})
	return text == vector["canonical"] && digest(text) == vector["content_hash"]
}
