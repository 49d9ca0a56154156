// Sends the event in a file to Loa with .NET's own library alone, and says what became of it.
//
//     LOA_URL=http://127.0.0.1:8080 LOA_API_KEY=... mono Publish.exe event.json
//     mono Publish.exe --vectors vectors.json     holds the keys to the golden vectors
//
// Compiles with `mcs -r:System.Net.Http.dll Publish.cs`, which is what is tried; nothing in it is Mono's own.
// Exit codes: 0 accepted, 2 refused (each wrong field is named), 3 no answer for now.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;

static class Publish
{
    const double PatienceS = 10; // what all tries may wait, as in Loa's own clients
    static readonly HttpClient Client = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };

    static int Main(string[] words)
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        if (words.Length == 2 && words[0] == "--vectors") return HoldVectors(words[1]);
        if (words.Length == 1) return Run(File.ReadAllBytes(words[0])).GetAwaiter().GetResult();
        Console.Error.WriteLine("usage: Publish EVENT.json");
        return 2;
    }

    static async Task<int> Run(byte[] body)
    {
        Answer answer = await Send(HttpMethod.Post, "/v1/events", body);
        if (answer.Status != 202) return Refused(answer);
        Console.WriteLine("accepted " + answer.Said["event_id"]);
        ShowKeys(Members(Json.Parse(Encoding.UTF8.GetString(body))), answer.Said);
        return await Follow((string)answer.Said["status_url"]);
    }

    static int Refused(Answer answer)
    {
        if (answer.Status == 0)
        {
            Console.Error.WriteLine("no answer of Loa; send the same event again later");
            return 3;
        }
        Console.Error.WriteLine(answer.Status + " " + answer.Said["title"] + " / " + answer.Said["title_vi"]);
        foreach (var error in Entries(answer.Said["errors"]).Select(Members))
            Console.Error.WriteLine(error["field"] + ": " + error["message"] + " / " + error["message_vi"]);
        return answer.MayRepeat ? 3 : 2;
    }

    // A repeat of the very same event is harmless: no answer, 408, 429 and 5xx are sent again.
    static async Task<Answer> Send(HttpMethod method, string path, byte[] body)
    {
        double left = PatienceS;
        for (int pause = 1; ; pause *= 2)
        {
            Answer answer = await Ask(method, path, body);
            double wait = Math.Max(pause, answer.RetryAfterS);
            if (!answer.MayRepeat || wait > left) return answer;
            left -= wait;
            await Task.Delay(TimeSpan.FromSeconds(wait));
        }
    }

    static async Task<Answer> Ask(HttpMethod method, string path, byte[] body)
    {
        try
        {
            using (HttpResponseMessage answer = await Client.SendAsync(Request(method, path, body)))
                return Answer.Read(answer, await answer.Content.ReadAsStringAsync());
        }
        catch (HttpRequestException lost)
        {
            Console.Error.WriteLine(lost.Message);
        }
        catch (TaskCanceledException)
        {
            Console.Error.WriteLine("no answer in time");
        }
        return new Answer();
    }

    static HttpRequestMessage Request(HttpMethod method, string path, byte[] body)
    {
        var request = new HttpRequestMessage(method, Environment.GetEnvironmentVariable("LOA_URL") + path);
        string key = Environment.GetEnvironmentVariable("LOA_API_KEY");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (body != null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/cloudevents+json");
        }
        return request;
    }

    static async Task<int> Follow(string statusUrl)
    {
        string state = "received";
        for (int asked = 0; asked < 60 && state == "received"; asked++)
        {
            if (asked > 0) await Task.Delay(1000);
            Answer answer = await Send(HttpMethod.Get, statusUrl, null);
            if (answer.Status != 200) return Refused(answer);
            state = (string)answer.Said["state"];
        }
        Console.WriteLine("state " + state);
        return state == "refused" ? 2 : 0;
    }

    static void ShowKeys(Dictionary<string, object> sent, Dictionary<string, object> said)
    {
        string source = (string)sent["source"];
        if (source.StartsWith("/units/", StringComparison.Ordinal))
        {
            string id = Digest(source.Substring(7), source, (string)sent["id"]).Substring(0, 26);
            bool isSame = id == (string)said["event_id"];
            Console.WriteLine(isSame ? "event_id is as computed here" : "event_id differs: " + id);
        }
        Console.WriteLine("content hash " + Digest(Canonical(new List<object> { sent["type"], sent["data"] })));
    }

    // --- keys

    static string Digest(params string[] parts)
    {
        byte[] hash;
        using (SHA256 sha = SHA256.Create())
            hash = sha.ComputeHash(Encoding.UTF8.GetBytes(string.Join("\0", parts)));
        var text = new StringBuilder();
        for (int bit = 0; bit < 256; bit += 5)
        {
            int five = 0;
            for (int at = bit; at < bit + 5; at++)
                five = five << 1 | (at < 256 ? hash[at / 8] >> (7 - at % 8) & 1 : 0);
            text.Append("abcdefghijklmnopqrstuvwxyz234567"[five]);
        }
        return text.ToString();
    }

    static string Canonical(object value)
    {
        if (value == null) return "null";
        if (value is bool) return (bool)value ? "true" : "false";
        if (value is string) return Quoted(((string)value).Normalize(NormalizationForm.FormC));
        if (value is List<object>) return "[" + string.Join(",", Entries(value).Select(Canonical)) + "]";
        if (!(value is Dictionary<string, object>)) return value.ToString();
        var pairs = Members(value)
            .Select(pair => new KeyValuePair<string, object>(pair.Key.Normalize(NormalizationForm.FormC), pair.Value))
            .OrderBy(pair => pair.Key, CodePoints.Order)
            .Select(pair => Quoted(pair.Key) + ":" + Canonical(pair.Value));
        return "{" + string.Join(",", pairs) + "}";
    }

    static string Quoted(string text)
    {
        var written = new StringBuilder("\"");
        foreach (char one in text)
        {
            int escape = "\"\\\b\f\n\r\t".IndexOf(one);
            if (escape >= 0) written.Append('\\').Append("\"\\bfnrt"[escape]);
            else if (one < ' ') written.Append("\\u" + ((int)one).ToString("x4"));
            else written.Append(one);
        }
        return written.Append('"').ToString();
    }

    static int HoldVectors(string file)
    {
        var vectors = Members(Json.Parse(File.ReadAllText(file)));
        var wrong = new List<string>();
        int left = 0;
        foreach (string group in new[] { "digest", "event_id", "content_hash", "normalisation" })
        {
            int number = 0;
            foreach (var vector in Entries(vectors[group]).Select(Members))
            {
                bool isBeyondMono = group == "normalisation" && ((string)vector["text"]).Any(char.IsSurrogate);
                if (isBeyondMono) left++;
                else if (!Holds(group, vector)) wrong.Add(group + "[" + number + "]");
                number++;
            }
        }
        string held = "every vector holds; " + left + " above U+FFFF, where Mono does not normalise, were left out";
        Console.WriteLine(wrong.Count == 0 ? held : string.Join("\n", wrong));
        return wrong.Count == 0 ? 0 : 1;
    }

    static bool Holds(string group, Dictionary<string, object> vector)
    {
        switch (group)
        {
            case "digest":
                string[] parts = Entries(vector["parts"]).Cast<string>().ToArray();
                return Digest(parts) == (string)vector["digest"];
            case "event_id":
                string id = Digest((string)vector["unit"], (string)vector["source"], (string)vector["id"]);
                return id.Substring(0, 26) == (string)vector["event_id"];
            case "content_hash":
                string text = Canonical(new List<object> { vector["type"], vector["data"] });
                return text == (string)vector["canonical"] && Digest(text) == (string)vector["content_hash"];
            default:
                return ((string)vector["text"]).Normalize(NormalizationForm.FormC) == (string)vector["nfc"];
        }
    }

    static Dictionary<string, object> Members(object value)
    {
        return (Dictionary<string, object>)value;
    }

    static List<object> Entries(object value)
    {
        return (List<object>)value;
    }
}

/// <summary>Loa's answer. Status 0: none, as the connection was lost or something before Loa answered.</summary>
class Answer
{
    public int Status;
    public Dictionary<string, object> Said;
    public double RetryAfterS;

    public bool MayRepeat
    {
        get { return Status == 0 || Status == 408 || Status == 429 || Status >= 500; }
    }

    /// <summary>Loa's own answer, or status 0: a proxy answers with a page, or JSON of its own.</summary>
    public static Answer Read(HttpResponseMessage answer, string body)
    {
        int status = (int)answer.StatusCode;
        RetryConditionHeaderValue asked = answer.Headers.RetryAfter;
        double retryAfterS = asked != null && asked.Delta.HasValue ? asked.Delta.Value.TotalSeconds : 0; // not a date
        var said = MembersIn(body);
        if (said != null && new[] { "event_id", "state", "title_vi" }.Any(said.ContainsKey))
            return new Answer { Status = status, Said = said, RetryAfterS = retryAfterS };
        Console.Error.WriteLine("answered " + status + ", and not as Loa does: check the address");
        return new Answer { RetryAfterS = retryAfterS };
    }

    static Dictionary<string, object> MembersIn(string body)
    {
        try
        {
            return Json.Parse(body) as Dictionary<string, object>;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}

/// <summary>The order of code points, which is that of UTF-8; .NET's own order is that of UTF-16.</summary>
class CodePoints : IComparer<string>
{
    public static readonly CodePoints Order = new CodePoints();

    public int Compare(string one, string other)
    {
        byte[] first = Encoding.UTF8.GetBytes(one), second = Encoding.UTF8.GetBytes(other);
        for (int at = 0; at < Math.Min(first.Length, second.Length); at++)
            if (first[at] != second[at]) return first[at] - second[at];
        return first.Length - second.Length;
    }
}

/// <summary>A number of JSON, as it is written.</summary>
class Number
{
    public string Digits;

    public override string ToString()
    {
        return Digits == "-0" ? "0" : Digits;
    }
}

/// <summary>A reader of JSON, which older .NET lacks; numbers stay as they are written.</summary>
class Json
{
    readonly string text;
    int at;

    Json(string text)
    {
        this.text = text;
    }

    public static object Parse(string text)
    {
        var json = new Json(text);
        object value = json.Value();
        json.Spaces();
        if (json.at < text.Length) throw json.Wrong();
        return value;
    }

    FormatException Wrong()
    {
        return new FormatException("not JSON at character " + (at + 1));
    }

    void Spaces()
    {
        while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0) at++;
    }

    bool Took(string word)
    {
        Spaces();
        bool isThere = string.CompareOrdinal(text, at, word, 0, word.Length) == 0;
        if (isThere) at += word.Length;
        return isThere;
    }

    void Need(string word)
    {
        if (!Took(word)) throw Wrong();
    }

    object Value()
    {
        if (Took("{")) return Members();
        if (Took("[")) return Entries();
        if (Took("\"")) return String();
        if (Took("true")) return true;
        if (Took("false")) return false;
        if (Took("null")) return null;
        int start = at;
        while (at < text.Length && "+-.0123456789eE".IndexOf(text[at]) >= 0) at++;
        if (start == at) throw Wrong();
        return new Number { Digits = text.Substring(start, at - start) };
    }

    Dictionary<string, object> Members()
    {
        var members = new Dictionary<string, object>();
        if (Took("}")) return members;
        do
        {
            Need("\"");
            string key = String();
            Need(":");
            members[key] = Value();
        } while (Took(","));
        Need("}");
        return members;
    }

    List<object> Entries()
    {
        var entries = new List<object>();
        if (Took("]")) return entries;
        do entries.Add(Value());
        while (Took(","));
        Need("]");
        return entries;
    }

    string String()
    {
        var read = new StringBuilder();
        for (char one = Next(); one != '"'; one = Next())
        {
            if (one != '\\')
            {
                read.Append(one);
                continue;
            }
            char escape = Next();
            if (escape == 'u')
            {
                string digits = "" + Next() + Next() + Next() + Next();
                read.Append((char)Convert.ToInt32(digits, 16));
            }
            else
            {
                int known = "bfnrt".IndexOf(escape);
                read.Append(known < 0 ? escape : "\b\f\n\r\t"[known]);
            }
        }
        return read.ToString();
    }

    char Next()
    {
        if (at == text.Length) throw Wrong();
        return text[at++];
    }
}
