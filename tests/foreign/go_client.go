// A Business API client on Go's net/http: answers chunked with a trailer, lower-case header names, HTTP/2 where asked.
//
// The vendor's choices where the documentation is silent: there is no health (404) unless --without health, and no
// photo; refusals carry `href` and more beside the envelope, a role that is too low is a 403, a wrong verb a 404;
// `data` is armoured like mail, base64 in lines of 76 (--without data: one line of it); backup passwords have 12
// characters or more; a restore replaces the settings, keeps users and tokens, and ends the process: an existing app
// drops the connection instead of answering (--without answer: answers first), a new machine answers and shuts down
// after that, both wait for a start (--restart-policy no); numbers are taken as strings, too, and given as numbers;
// a body with an unknown setting is refused whole; the state lies in two files written in turn, with a checksum; a
// machine that lost its number goes on; `admin` begins with the well-known password.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

type object = map[string]any

type refusal struct {
	status, code   int
	title, details string
}

var (
	port       = flag.Int("port", 0, "")
	folder     = flag.String("state", "", "")
	cert       = flag.String("cert", "", "")
	key        = flag.String("key", "", "")
	registered = flag.String("registered", "", "a number to be born with")
	network    = flag.String("network", "", "")
	version    = flag.String("version", "2.57.2", "")
	shards     = flag.Int("shards", 1, "")
	multi      = flag.Bool("multiconnect", false, "")
	policy     = flag.String("restart-policy", "no", "")
	without    = flag.String("without", "", "habits to do without: health, data, answer")

	missing  = refusal{422, 1008, "Required parameter is missing", ""}
	unfit    = refusal{422, 1009, "Parameter value is not valid", ""}
	notReady = refusal{409, 1011, "Service not ready", "register first"}
	another  = refusal{422, 1000, "Generic error", "not a backup for this setup and password"}
	noPlace  = refusal{404, 1006, "Resource not found", ""}

	hooks = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{ //nolint
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	lock     sync.Mutex // guards what follows
	state    kept
	stopping bool
)

// What lies on the disk. A registration is taken to the network ("claim") once.
type kept struct {
	Seq            int
	Machine        string
	Number         string
	Identity       string
	Claim          bool
	Users          map[string]string    // name -> salt and hash
	Tokens         map[string][2]string // token -> name, end
	App, Business  object
	About          string
	Shards         int
	Multi          bool
}

func settings() object {
	return object{"callback_persist": true, "callback_backoff_delay_ms": 3000, "max_callback_backoff_delay_ms": 900000,
		"heartbeat_interval": 5, "unhealthy_interval": 30, "sent_status": false, "log_level": "info",
		"media": object{"auto_download": []any{}}, "webhooks": object{"url": "", "max_concurrent_requests": 6}}
}

func fresh(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

func shown(value any) []byte {
	raw, _ := json.Marshal(value)
	return raw
}

// -- state -----------------------------------------------------------------------------------------------------------

func slot(n int) string { return filepath.Join(*folder, fmt.Sprintf("slot-%d", n%2)) }

func wake() {
	os.MkdirAll(*folder, 0o700)
	for n := 0; n < 2; n++ {
		raw, _ := os.ReadFile(slot(n))
		sum, text, _ := bytes.Cut(raw, []byte("\n"))
		var found kept
		if digest := sha256.Sum256(text); hex.EncodeToString(digest[:]) != string(sum) || json.Unmarshal(text, &found) != nil {
			continue // cut off in the middle: the other one stands
		}
		if found.Seq > state.Seq {
			state = found
		}
	}
	if state.Seq == 0 {
		state = kept{Machine: fresh(8), Number: *registered, Identity: fresh(32), Claim: true, App: settings(),
			Business: object{}, Users: map[string]string{"admin": hashed("secret", fresh(8))}, Tokens: map[string][2]string{}}
		save()
	}
}

// With the lock held: from here on the disk holds what `state` says.
func save() {
	state.Seq++
	text := shown(state)
	digest := sha256.Sum256(text)
	file, err := os.OpenFile(slot(state.Seq), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		fmt.Fprintf(file, "%x\n%s", digest, text)
		err = errors.Join(file.Sync(), file.Close())
	}
	if err != nil {
		panic(err)
	}
}

func hashed(word, salt string) string { return salt + ":" + hex.EncodeToString(stretch(word, []byte(salt), 50)) }

// PBKDF2-HMAC-SHA256, one block. HMAC pads its key with NULs, so it gets a digest: no two passwords share one.
func stretch(word string, salt []byte, rounds int) []byte {
	secret := sha256.Sum256([]byte(word))
	mac := hmac.New(sha256.New, secret[:])
	mac.Write(append(bytes.Clone(salt), 0, 0, 0, 1))
	last := mac.Sum(nil)
	sum := bytes.Clone(last)
	for n := 1; n < rounds; n++ {
		mac.Reset()
		mac.Write(last)
		last = mac.Sum(nil)
		for at := range sum {
			sum[at] ^= last[at]
		}
	}
	return sum
}

// -- network and webhooks --------------------------------------------------------------------------------------------

func post(url string, body any) (answer struct {
	Held     bool
	Messages []object
}, err error) {
	got, err := hooks.Post(url, "application/json", bytes.NewReader(shown(body)))
	if err != nil {
		return answer, err
	}
	defer got.Body.Close()
	raw, _ := io.ReadAll(got.Body)
	if got.StatusCode >= 300 {
		return answer, errors.New(got.Status)
	}
	json.Unmarshal(raw, &answer)
	return answer, nil
}

func ask(verb string, more object) (held bool, messages []object, err error) {
	lock.Lock()
	number, identity, machine := state.Number, state.Identity, state.Machine
	lock.Unlock()
	if *network == "" || number == "" {
		return true, nil, nil
	}
	body := object{"machine": machine, "identity": identity}
	for name, value := range more {
		body[name] = value
	}
	answer, err := post(*network+"/business/"+number+"/"+verb, body)
	return answer.Held, answer.Messages, err
}

func claim() bool {
	lock.Lock()
	verb, identity := "connect", state.Identity
	if state.Claim {
		verb = "claim"
	}
	lock.Unlock()
	held, _, err := ask(verb, nil)
	lock.Lock()
	defer lock.Unlock()
	if err == nil && held && state.Number != "" && state.Claim && state.Identity == identity {
		state.Claim = false
		save()
	}
	return err == nil && held
}

func listen() {
	for done := 0; ; {
		held := claim()
		_, messages, err := ask("poll", object{"done": done})
		for _, message := range messages {
			done = int(message["seq"].(float64))
			delete(message, "seq")
			go callBack(object{"messages": []any{message}})
		}
		if !held || err != nil || state.Number == "" || *network == "" {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func callBack(body object) {
	for tries := 1; ; tries++ {
		lock.Lock()
		url := state.App["webhooks"].(object)["url"].(string)
		wait, most := number(state.App["callback_backoff_delay_ms"]), number(state.App["max_callback_backoff_delay_ms"])
		over := stopping
		lock.Unlock()
		if url == "" || over {
			return
		}
		if _, err := post(url, body); err == nil {
			return
		}
		time.Sleep(time.Duration(min(wait*tries, most)) * time.Millisecond)
	}
}

func number(value any) int { n, _ := strconv.ParseFloat(fmt.Sprint(value), 64); return int(n) }

// -- one call --------------------------------------------------------------------------------------------------------

type call struct {
	*http.Request
	user, token string
	match       []string
	raw         []byte
}

func (c call) body() object {
	decoder := json.NewDecoder(bytes.NewReader(c.raw))
	decoder.UseNumber()
	var value object
	if decoder.Decode(&value) != nil || value == nil || decoder.Decode(new(any)) != io.EOF {
		panic(refusal{422, 1025, "Invalid Request", "a JSON object is expected"})
	}
	return value
}

// U+FFFD is what Go makes of everything that is no text: two such would look the same.
func text(from object, name string, least, most int) string {
	value, there := from[name]
	if !there {
		panic(missing)
	}
	word, right := value.(string)
	length := utf8.RuneCountInString(word)
	if !right || length < least || length > most || strings.ContainsRune(word, utf8.RuneError) {
		panic(unfit)
	}
	return word
}

func strong(from object, name string) string {
	word := text(from, name, 8, 64)
	for _, kind := range []string{"[0-9]", "[A-Z]", "[a-z]", "[!-/:-@[-`{-~]"} {
		if !regexp.MustCompile(kind).MatchString(word) {
			panic(unfit)
		}
	}
	return word
}

func patched(old, change object) object {
	next := object{}
	for name, value := range old {
		next[name] = value
	}
	for name, value := range change {
		before, known := old[name]
		if !known {
			panic(refusal{422, 1010, "Parameter is not required", ""})
		}
		switch before.(type) {
		case bool:
			if _, right := value.(bool); !right {
				panic(unfit)
			}
		case string:
			value = text(change, name, 0, 2000)
		case object:
			inner, right := value.(object)
			if !right {
				panic(unfit)
			}
			value = patched(before.(object), inner)
		case []any:
			many, right := value.([]any)
			for _, one := range many {
				word, is := one.(string)
				right = right && is && strings.Contains(" audio document image sticker video voice ", " "+word+" ")
			}
			if !right {
				panic(unfit)
			}
		default: // numbers, in digits or as a string of them
			n, err := strconv.Atoi(fmt.Sprint(value))
			if _, isBool := value.(bool); err != nil || isBool || n < 0 || n > 1e12 {
				panic(unfit)
			}
			value = n
		}
		next[name] = value
	}
	return next
}

// -- backup and restore ----------------------------------------------------------------------------------------------

const head, tail = "-----BEGIN BUSINESS SETTINGS-----\r\n", "\r\n-----END BUSINESS SETTINGS-----"

func armour(raw []byte) string {
	one := base64.StdEncoding.EncodeToString(raw)
	if strings.Contains(*without, "data") {
		return one
	}
	var lines []string
	for ; len(one) > 76; one = one[76:] {
		lines = append(lines, one[:76])
	}
	return head + strings.Join(append(lines, one), "\r\n") + tail
}

func sealer(word string, salt []byte) cipher.AEAD {
	block, _ := aes.NewCipher(stretch(word, salt, 2000))
	sealer, _ := cipher.NewGCM(block)
	return sealer
}

func backup(c call) (int, any) {
	word := text(c.body(), "password", 12, 1<<16)
	if state.Number == "" {
		panic(notReady)
	}
	part := kept{Number: state.Number, Identity: state.Identity, App: state.App, Business: state.Business, About: state.About,
		Shards: *shards, Multi: *multi}
	raw := make([]byte, 28)
	rand.Read(raw)
	return 200, object{"settings": object{"data": armour(append(raw, sealer(word, raw[:16]).Seal(nil, raw[16:], shown(part), raw[:16])...))}}
}

func restore(c call) (int, any) {
	word, data := text(c.body(), "password", 0, 1<<16), strings.TrimSpace(text(c.body(), "data", 0, 1<<20))
	bare := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(data, head), tail), "\r\n", "")
	raw, err := base64.StdEncoding.Strict().DecodeString(bare)
	if err != nil || len(raw) < 44 || armour(raw) != data {
		panic(another)
	}
	open, err := sealer(word, raw[:16]).Open(nil, raw[16:28], raw[28:], raw[:16])
	var part kept
	if err != nil || json.Unmarshal(open, &part) != nil || part.Shards != *shards || part.Multi != *multi {
		panic(another)
	}
	existing := state.Number != ""
	state.Number, state.App, state.Business, state.About = part.Number, part.App, part.Business, part.About
	if state.Identity = part.Identity; recent() {
		state.Identity = fresh(32)
	}
	state.Claim = true
	save()
	stopping = true
	go func() {
		for n := 0; n < 10 && !claim(); n++ {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if *policy == "always" {
			self, _ := os.Executable()
			syscall.Exec(self, os.Args, os.Environ())
		}
		os.Exit(0)
	}()
	if existing && !strings.Contains(*without, "answer") {
		panic(http.ErrAbortHandler)
	}
	return 200, nil
}

func recent() bool { // from v2.31.4
	var major, minor, patch int
	fmt.Sscanf(*version, "%d.%d.%d", &major, &minor, &patch)
	return major*1e6+minor*1e3+patch >= 2031004
}

// -- the other calls -------------------------------------------------------------------------------------------------

func login(c call) (int, any) {
	name, word, _ := c.BasicAuth()
	stored, there := state.Users[name]
	salt, _, _ := strings.Cut(stored, ":")
	if !there || !hmac.Equal([]byte(hashed(word, salt)), []byte(stored)) {
		panic(refusal{401, 1005, "Access denied", "invalid credentials"})
	}
	if word == "secret" {
		if len(c.raw) == 0 {
			panic(refusal{403, 1024, "Password Change Required", "send new_password"})
		}
		state.Users[name] = hashed(strong(c.body(), "new_password"), fresh(8))
	}
	token, until := fresh(20), time.Now().UTC().Add(7*24*time.Hour)
	state.Tokens[token] = [2]string{name, until.Format(time.RFC3339)}
	save()
	return 200, object{"users": []any{object{"token": token, "expires_after": until.Format("2006-01-02 15:04:05+00:00")}}}
}

func users(c call) (int, any) {
	name := ""
	if len(c.match) > 1 {
		name = c.match[1]
	}
	admin := c.user == "admin"
	if !admin && (name != c.user || c.Method == "DELETE") || c.Method == "DELETE" && name == "admin" {
		panic(refusal{403, 1005, "Access denied", "not yours"})
	}
	if _, there := state.Users[name]; c.Method != "POST" && !there {
		panic(noPlace)
	}
	status := 200
	switch c.Method {
	case "GET":
		role := map[bool]string{true: "ROLE_ADMIN", false: "ROLE_USER"}[name == "admin"]
		return 200, object{"users": []any{object{"ROLES": role, "username": name}}}
	case "POST":
		given := c.body()
		name = text(given, "username", 4, 32)
		word := strong(given, "password")
		if _, there := state.Users[name]; there {
			panic(refusal{422, 1014, "Internal error", "Unable to create user. Already exist?"})
		}
		state.Users[name], status = hashed(word, fresh(8)), 201
	case "PUT":
		state.Users[name] = hashed(strong(c.body(), "password"), fresh(8))
	case "DELETE":
		delete(state.Users, name)
		for token, about := range state.Tokens {
			if about[0] == name {
				delete(state.Tokens, token)
			}
		}
	}
	save()
	return status, object{"users": []any{object{"username": name}}}
}

func health(call) (int, any) {
	if !strings.Contains(*without, "health") {
		panic(noPlace)
	}
	status := object{"gateway_status": map[bool]string{true: "unregistered", false: "connected"}[state.Number == ""]}
	if !*multi {
		return 200, object{"health": status}
	}
	nodes := object{"go-master:0": object{"role": "primary_master", "gateway_status": status["gateway_status"]}}
	for n := 0; n < *shards; n++ {
		nodes[fmt.Sprintf("go-core:%d", n)] = object{"role": "coreapp", "gateway_status": status["gateway_status"]}
	}
	return 200, object{"health": nodes}
}

func support(call) (int, any) {
	who := state.Number
	if who == "" {
		who = "unregistered"
	}
	return 200, object{"support": object{"debug_info": who, "multi_connect": *multi, "db_engine": "two files"}}
}

func application(c call) (int, any) {
	switch c.Method {
	case "GET":
		return 200, object{"settings": object{"application": state.App}}
	case "PATCH":
		state.App = patched(state.App, c.body())
	default:
		state.App = settings()
	}
	save()
	return 200, nil
}

func about(c call) (int, any) {
	if c.Method == "GET" {
		return 200, object{"settings": object{"profile": object{"about": object{"text": state.About}}}}
	}
	state.About = text(c.body(), "text", 0, 139)
	save()
	return 200, nil
}

func business(c call) (int, any) {
	if c.Method == "GET" {
		return 200, object{"settings": object{"business": object{"profile": state.Business}}}
	}
	given, next := c.body(), object{}
	for name, value := range state.Business {
		next[name] = value
	}
	for name, most := range map[string]int{"address": 256, "description": 256, "email": 128, "vertical": 128} {
		if _, there := given[name]; there {
			next[name] = text(given, name, 0, most)
		}
	}
	if sites, there := given["websites"]; there {
		many, right := sites.([]any)
		for at := range many {
			text(object{"site": many[at]}, "site", 0, 256)
		}
		if !right || len(many) > 2 {
			panic(unfit)
		}
		next["websites"] = many
	}
	state.Business = next
	save()
	return 200, nil
}

func contacts(c call) (int, any) {
	given, there := c.body()["contacts"]
	many, right := given.([]any)
	if !there {
		panic(missing)
	} else if !right {
		panic(unfit)
	}
	found := []any{}
	for _, one := range many {
		found = append(found, object{"input": one, "status": "valid",
			"wa_id": regexp.MustCompile("[^0-9]").ReplaceAllString(fmt.Sprint(one), "")})
	}
	return 200, object{"contacts": found}
}

func messages(c call) (int, any) {
	given := c.body()
	to, inner := text(given, "to", 1, 16), given["text"]
	words, right := inner.(object)
	if !right {
		panic(missing)
	}
	body := text(words, "body", 1, 4096)
	if !regexp.MustCompile(`^\+?[0-9]{8,15}$`).MatchString(to) {
		panic(refusal{422, 1013, "User is not valid", ""})
	}
	if state.Number == "" {
		panic(notReady)
	}
	id := fresh(12)
	message := object{"id": id, "to": strings.TrimPrefix(to, "+"), "type": "text", "text": object{"body": body}}
	lock.Unlock()
	_, _, err := ask("send", object{"message": message})
	lock.Lock()
	if err != nil {
		panic(refusal{409, 1011, "Service not ready", "not connected"})
	}
	for _, status := range []string{"sent", "delivered"} {
		go callBack(object{"statuses": []any{object{"id": id, "recipient_id": message["to"], "status": status,
			"timestamp": strconv.FormatInt(time.Now().Unix(), 10)}}})
	}
	return 201, object{"messages": []any{object{"id": id}}}
}

func logout(c call) (int, any) {
	delete(state.Tokens, c.token)
	save()
	return 200, object{}
}

var routes = []struct {
	verbs, path, who string
	act              func(call) (int, any)
}{
	{"POST", "/v1/users/login", "none", login}, {"POST", "/v1/users/logout", "any", logout},
	{"POST", "/v1/users", "admin", users}, {"GET PUT DELETE", "/v1/users/([^/]+)", "any", users},
	{"GET", "/v1/health", "any", health}, {"GET", "/v1/support", "admin", support},
	{"GET PATCH DELETE", "/v1/settings/application", "admin", application},
	{"GET PATCH", "/v1/settings/profile/about", "admin", about},
	{"GET POST", "/v1/settings/business/profile", "admin", business},
	{"POST", "/v1/contacts", "any", contacts}, {"POST", "/v1/messages", "any", messages},
	{"POST", "/v1/settings/backup", "admin", backup}, {"POST", "/v1/settings/restore", "admin", restore},
}

func (c call) run() (int, any) {
	for _, route := range routes {
		c.match = regexp.MustCompile("^" + route.path + "$").FindStringSubmatch(c.URL.Path)
		if c.match == nil || !strings.Contains(" "+route.verbs+" ", " "+c.Method+" ") {
			continue
		}
		if route.who != "none" {
			kind, token, _ := strings.Cut(c.Header.Get("Authorization"), " ")
			known, there := state.Tokens[strings.TrimSpace(token)]
			until, err := time.Parse(time.RFC3339, known[1])
			if !strings.EqualFold(kind, "bearer") || !there || err != nil || time.Now().After(until) {
				panic(refusal{401, 1005, "Access denied", "log in"})
			}
			if c.user, c.token = known[0], strings.TrimSpace(token); route.who == "admin" && c.user != "admin" {
				panic(refusal{403, 1005, "Access denied", "for the admin"})
			}
		}
		return route.act(c)
	}
	panic(refusal{404, 1014, "Internal error", "endpoint not found"})
}

func serve(out http.ResponseWriter, in *http.Request) {
	const most = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(in.Body, most+1))
	status, body := 200, any(nil)
	func() {
		defer lock.Unlock()
		lock.Lock()
		defer func() {
			failed := recover()
			if no, is := failed.(refusal); is {
				status, body = no.status, object{"meta": object{"version": "v" + *version, "api_status": "stable"},
					"errors": []any{object{"code": no.code, "title": no.title, "details": no.details,
						"href": fmt.Sprintf("https://go.example/errors/%d", no.code)}}, "request_id": fresh(4)}
			} else if failed != nil {
				panic(failed)
			}
		}()
		if stopping {
			panic(http.ErrAbortHandler)
		} else if err != nil {
			panic(refusal{400, 1025, "Invalid Request", "the body broke off"})
		} else if len(raw) > most {
			panic(refusal{413, 1001, "Message too long", ""})
		}
		status, body = call{Request: in, raw: raw}.run()
	}()
	answer := append(shown(body), '\n')
	digest := sha256.Sum256(answer)
	out.Header()["content-type"], out.Header()["Content-Type"] = []string{"application/json"}, nil
	out.Header()["trailer"] = []string{"x-checksum"}
	out.WriteHeader(status)
	out.Write(answer[:1])
	out.(http.Flusher).Flush() // no length: chunked
	out.Write(answer[1:])
	out.Header().Set(http.TrailerPrefix+"x-checksum", hex.EncodeToString(digest[:8]))
}

func main() {
	flag.Parse()
	if *port == 0 || *folder == "" {
		fmt.Fprintln(os.Stderr, "go_client: --port and --state are needed")
		os.Exit(2)
	}
	wake()
	go listen()
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", *port), Handler: http.HandlerFunc(serve), ReadTimeout: 20 * time.Second}
	err := error(nil)
	if *cert != "" {
		err = server.ListenAndServeTLS(*cert, *key)
	} else {
		err = server.ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
