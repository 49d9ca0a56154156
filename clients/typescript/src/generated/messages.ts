// Written by `python -m clients.typescript.generate`; do not edit.

export const MESSAGES = {
 "not_json": {
  "en": "is not valid JSON: {detail} (line {line}, column {column})",
  "vi": "không phải JSON hợp lệ: {detail} (dòng {line}, cột {column})"
 },
 "empty": {
  "en": "is empty; it must be JSON",
  "vi": "đang trống; phải là nội dung JSON"
 },
 "not_utf8": {
  "en": "is not valid UTF-8 (byte {position}); send JSON as UTF-8",
  "vi": "không phải UTF-8 hợp lệ (byte thứ {position}); hãy gửi JSON mã hóa UTF-8"
 },
 "utf16": {
  "en": "is UTF-16; send JSON as UTF-8",
  "vi": "là UTF-16; hãy gửi JSON mã hóa UTF-8"
 },
 "number": {
  "en": "holds {value}, which is not a JSON number",
  "vi": "có {value} không phải là số hợp lệ trong JSON"
 },
 "duplicate_key": {
  "en": "appears twice in the same JSON object",
  "vi": "xuất hiện hai lần trong cùng một đối tượng JSON"
 },
 "too_deep": {
  "en": "is nested more than {limit} levels deep",
  "vi": "lồng nhau quá {limit} cấp"
 },
 "not_object": {
  "en": "must be a JSON object",
  "vi": "phải là một đối tượng JSON"
 },
 "not_array": {
  "en": "must be a JSON array of events",
  "vi": "phải là một mảng JSON gồm các sự kiện"
 },
 "empty_batch": {
  "en": "must hold at least one event",
  "vi": "phải có ít nhất một sự kiện"
 },
 "batch_too_long": {
  "en": "holds {count} events; at most {limit} in one request",
  "vi": "có {count} sự kiện; mỗi lần gửi tối đa {limit} sự kiện"
 },
 "event_too_large": {
  "en": "is {size} bytes; at most {limit} bytes",
  "vi": "dài {size} byte; tối đa {limit} byte"
 },
 "content_type": {
  "en": "{value} is not accepted; send {accepted}",
  "vi": "không nhận {value}; hãy gửi {accepted}"
 },
 "batch_not_here": {
  "en": "is a batch; this door takes one event at a time",
  "vi": "là một lô; địa chỉ này chỉ nhận từng sự kiện"
 },
 "charset": {
  "en": "charset {value} is not accepted; send UTF-8",
  "vi": "không nhận bảng mã {value}; hãy gửi UTF-8"
 },
 "header_repeated": {
  "en": "is given twice with different values",
  "vi": "được gửi hai lần với giá trị khác nhau"
 },
 "header_encoding": {
  "en": "must be ASCII; percent-encode every other character as UTF-8",
  "vi": "phải là ASCII; mọi ký tự khác phải mã hóa phần trăm theo UTF-8"
 },
 "percent_encoding": {
  "en": "holds a % without two hexadecimal digits; percent-encode it as %25",
  "vi": "có ký tự % không kèm hai chữ số thập lục phân; hãy mã hóa thành %25"
 },
 "data_base64": {
  "en": "is not accepted; send the content as a JSON object in data",
  "vi": "không được dùng; hãy gửi nội dung dưới dạng đối tượng JSON trong data"
 },
 "specversion": {
  "en": "must be 1.0",
  "vi": "phải là 1.0"
 },
 "attribute_text": {
  "en": "must be 1 to {limit} visible characters",
  "vi": "phải có từ 1 đến {limit} ký tự nhìn thấy được"
 },
 "uri_reference": {
  "en": "must be a URI reference such as /units/van-phong-bo, at most {limit} characters",
  "vi": "phải là một tham chiếu URI, ví dụ /units/van-phong-bo, dài tối đa {limit} ký tự"
 },
 "unknown_attribute": {
  "en": "is no attribute of CloudEvents{near}",
  "vi": "không phải thuộc tính của CloudEvents{near}"
 },
 "extension_name": {
  "en": "is not a CloudEvents attribute name: lower-case letters a-z and digits, at most {limit}",
  "vi": "không phải tên thuộc tính CloudEvents: chỉ gồm chữ thường a-z và chữ số, dài tối đa {limit}"
 },
 "extension_value": {
  "en": "must be a text, a whole number of 32 bits, or true/false",
  "vi": "phải là chuỗi ký tự, số nguyên 32 bit, hoặc true/false"
 },
 "day_of_other_year": {
  "en": "is no day of {value}",
  "vi": "không phải ngày của năm {value}"
 },
 "no_weekend": {
  "en": "is a working day anyway; only a Saturday or Sunday is named here",
  "vi": "vốn là ngày làm việc; ở đây chỉ ghi thứ Bảy hoặc Chủ nhật làm bù"
 },
 "too_many_trials": {
  "en": "too many trials were sent; try again later",
  "vi": "đã gửi thử quá nhiều lần; xin Quý vị thử lại sau ít phút"
 },
 "too_many_uploads": {
  "en": "too many files were uploaded; try again later",
  "vi": "đã tải lên quá nhiều tệp; xin Quý vị thử lại sau ít phút"
 },
 "too_many_extensions": {
  "en": "carries {count} extension attributes; at most {limit}",
  "vi": "có {count} thuộc tính mở rộng; tối đa {limit}"
 },
 "unknown_type": {
  "en": "{value} is not an event type of this platform; known: {known}{near}",
  "vi": "{value} không phải loại sự kiện của hệ thống; các loại hợp lệ: {known}{near}"
 },
 "type_closed": {
  "en": "{value} is taken by HTTP only (POST /v1/events): it names a person",
  "vi": "{value} chỉ được nhận qua HTTP (POST /v1/events) vì có dữ liệu cá nhân"
 },
 "list_limit": {
  "en": "{value} is no number from 1 to {most}",
  "vi": "{value} không phải số từ 1 đến {most}"
 },
 "list_cursor": {
  "en": "{value} is no `next` of a page",
  "vi": "{value} không phải giá trị `next` của một trang"
 },
 "unknown_state": {
  "en": "{value} is no state of an event; known: {known}{near}",
  "vi": "{value} không phải tình trạng của sự kiện; các tình trạng: {known}{near}"
 },
 "unknown_parameter": {
  "en": "is no parameter of this address; nothing was stored",
  "vi": "không phải tham số của địa chỉ này; hệ thống chưa lưu gì"
 },
 "dry_run_value": {
  "en": "{value} means nothing: `dry_run=1` asks what would happen and stores nothing; leave it out to send",
  "vi": "không hiểu giá trị {value}: ghi `dry_run=1` để chỉ hỏi điều sẽ xảy ra mà không lưu gì; bỏ đi để gửi thật"
 },
 "no_trial_of_case": {
  "en": "{value} is not taken with a key for trials: it has a person's contact, and a trial goes to guests alone. `POST /v1/dry-runs` with a live key checks it",
  "vi": "không gửi thử {value} được, vì sự kiện này có thông tin liên hệ của người dân, còn bản thử chỉ gửi cho người nhận thử. Muốn kiểm tra thì gửi tới `POST /v1/dry-runs` bằng khóa thật"
 },
 "name_of_a_case": {
  "en": "{value}: names of this form are kept for dossiers, letters and digests",
  "vi": "{value}: mã có dạng này dành riêng cho hồ sơ, thư riêng và bản tổng hợp"
 },
 "unreachable_contact": {
  "en": "no address in it is of a kind that this unit's notices go to ({channels})",
  "vi": "thông tin liên hệ không có loại nào mà đơn vị dùng để gửi thông báo ({channels})"
 },
 "other_contact": {
  "en": "the event was sent before, with another contact; send a new event instead",
  "vi": "sự kiện này đã được gửi trước đó với thông tin liên hệ khác; hãy gửi một sự kiện mới"
 },
 "extension_of_case": {
  "en": "is not kept with a case event, which must not name where its person is reached; allowed besides CloudEvents' own: {known}",
  "vi": "không được gửi kèm sự kiện hồ sơ, vì sự kiện không được chứa thông tin liên hệ của cá nhân; ngoài các thuộc tính của CloudEvents chỉ nhận: {known}"
 },
 "dossier_full": {
  "en": "this dossier has {limit} events already and takes no more",
  "vi": "hồ sơ này đã có đủ {limit} sự kiện nên không nhận thêm"
 },
 "subject_differs": {
  "en": "must equal data.content_id ({value}) when it is present",
  "vi": "nếu có thì phải trùng với data.content_id ({value})"
 },
 "source_of_other_unit": {
  "en": "names the unit {named}, but the sender is {unit}",
  "vi": "ghi đơn vị {named}, nhưng bên gửi là {unit}"
 },
 "source_spelling": {
  "en": "names a unit in another spelling: write /units/ and the unit's id, got {value}",
  "vi": "ghi đơn vị không đúng cách: viết /units/ rồi mã đơn vị, nhận được {value}"
 },
 "unknown_unit": {
  "en": "{value} is not a unit of the ministry{near}",
  "vi": "{value} không có trong danh mục đơn vị thuộc, trực thuộc Bộ{near}"
 },
 "ended_unit": {
  "en": "the unit {value} no longer exists (last day: {until})",
  "vi": "đơn vị {value} đã kết thúc hoạt động (ngày cuối: {until})"
 },
 "unit_alias": {
  "en": "{value} is a former id; use {unit}",
  "vi": "{value} là mã cũ; hãy dùng {unit}"
 },
 "owned_by_other_unit": {
  "en": "{value} belongs to another unit",
  "vi": "mã {value} đã do đơn vị khác sử dụng; hãy đặt mã khác"
 },
 "urgent_not_allowed": {
  "en": "the lane urgent is not open to this unit",
  "vi": "đơn vị này chưa được phép dùng mức khẩn (urgent); hãy dùng normal hoặc đề nghị Trung tâm Công nghệ thông tin cấp quyền"
 },
 "no_key": {
  "en": "send Authorization: Bearer followed by the unit's API key",
  "vi": "hãy gửi Authorization: Bearer kèm khóa API của đơn vị"
 },
 "key_repeated": {
  "en": "is given twice: a request has one API key",
  "vi": "được gửi hai lần: mỗi yêu cầu chỉ có một khóa API"
 },
 "empty_key": {
  "en": "Bearer is followed by nothing: is the variable that holds the API key set?",
  "vi": "sau chữ Bearer không có khóa API: hãy kiểm tra xem biến chứa khóa đã được gán giá trị chưa"
 },
 "wrong_key": {
  "en": "this API key is not valid",
  "vi": "khóa API này không hợp lệ"
 },
 "same_id_other_content": {
  "en": "this id was already used for another content; give the event a new id",
  "vi": "mã này đã dùng cho một nội dung khác; hãy đặt mã mới cho sự kiện"
 },
 "trial_not_ready": {
  "en": "the trial was accepted and is not worked through yet; ask again in {retry_after_s} {retry_after_s:second|seconds}",
  "vi": "bản gửi thử đã được tiếp nhận nhưng chưa xử lý xong; hãy hỏi lại sau {retry_after_s} giây"
 },
 "trial_without_face": {
  "en": "there is nothing to show of this trial, which was refused or withdraws an item that was not out; its status says more",
  "vi": "bản gửi thử này không có gì để xem, vì bị từ chối hoặc thu hồi tin chưa phát hành; tình trạng của bản gửi thử cho biết rõ hơn"
 },
 "guest_removed": {
  "en": "{count} {count:guest was|guests were} taken off the unit's list before the mail was begun, and {count:gets|get} none",
  "vi": "{count} người nhận thử đã bị đưa ra khỏi danh sách của đơn vị trước khi gửi thư nên không nhận được thư này"
 },
 "guest_unreadable": {
  "en": "the {count:address of a guest|addresses of {count} guests} can't be read with Loa's key file; the Information Technology Centre has to enter {count:it|them} again",
  "vi": "không đọc được địa chỉ của {count} người nhận thử; Trung tâm Công nghệ thông tin cần nhập lại"
 },
 "trials_of_a_day": {
  "en": "the unit has sent {limit} trials today; try again tomorrow",
  "vi": "hôm nay đơn vị đã gửi thử {limit} lần; hãy thử lại vào ngày mai"
 },
 "trials_kept": {
  "en": "the unit's trials of the last 30 days take {limit} MiB, which is all that is kept; try again when the oldest are forgotten, or with smaller events",
  "vi": "các bản gửi thử 30 ngày qua của đơn vị đã chiếm đủ {limit} MiB được lưu; hãy thử lại khi bản cũ nhất hết hạn, hoặc gửi sự kiện nhỏ hơn"
 },
 "rate_limited": {
  "en": "too many events; try again in {retry_after_s} {retry_after_s:second|seconds}",
  "vi": "gửi quá nhiều sự kiện; hãy thử lại sau {retry_after_s} giây"
 },
 "inbound_first": {
  "en": "events that you have published on the bus before are not taken in yet, and the item may be among them; nothing was kept, try again in {retry_after_s} {retry_after_s:second|seconds}",
  "vi": "các sự kiện đơn vị đã gửi qua máy chủ NATS trước đó chưa được tiếp nhận, trong đó có thể có tin này; chưa có gì được ghi nhận, hãy thử lại sau {retry_after_s} giây"
 },
 "unavailable": {
  "en": "the platform cannot store events right now; nothing was kept, try again in {retry_after_s} {retry_after_s:second|seconds}",
  "vi": "hệ thống tạm thời chưa lưu được sự kiện; chưa có gì được ghi nhận, hãy thử lại sau {retry_after_s} giây"
 },
 "not_found": {
  "en": "{value} is not known",
  "vi": "không tìm thấy {value}"
 },
 "version_unknown": {
  "en": "{value} is not a version of this interface; events go to POST /v1/events",
  "vi": "giao diện này không có phiên bản {value}; hãy gửi sự kiện đến POST /v1/events"
 },
 "method_not_allowed": {
  "en": "the method {value} is not allowed here",
  "vi": "không dùng được phương thức {value} ở địa chỉ này"
 },
 "is_near_meant": {
  "en": "; did you mean {near}?",
  "vi": "; có phải ý là {near} không?"
 },
 "unknown_topic": {
  "en": "{value} is not a known topic; known: {known}{near}",
  "vi": "{value} không có trong danh mục chủ đề; các mã hợp lệ: {known}{near}"
 },
 "own_topic": {
  "en": "{value} is filled by Loa itself; choose the topic that the text is about",
  "vi": "mục {value} do hệ thống tự lập; hãy chọn chủ đề theo nội dung của tin"
 },
 "unknown_audience": {
  "en": "{value} is not a known audience; known: {known}{near}",
  "vi": "{value} không có trong danh mục đối tượng; các mã hợp lệ: {known}{near}"
 },
 "unknown_province": {
  "en": "{value} is not a province of Vietnam since 1 July 2025; ids such as ha-noi, hue",
  "vi": "{value} không phải tỉnh, thành phố của Việt Nam từ ngày 01/7/2025; dùng mã như ha-noi, hue"
 },
 "not_slug": {
  "en": "{value} is not an id: lower-case letters a-z, digits and -, 1 to 64, not - at an end",
  "vi": "{value} không phải mã hợp lệ: chữ thường a-z, chữ số và dấu -, dài 1 đến 64, không bắt đầu hay kết thúc bằng dấu -"
 },
 "id_used_twice": {
  "en": "{value} is used twice",
  "vi": "{value} được dùng hai lần"
 },
 "not_toml": {
  "en": "is not valid TOML: {detail}",
  "vi": "không phải TOML hợp lệ: {detail}"
 },
 "relay_file_unread": {
  "en": "can't be read: {detail}",
  "vi": "không đọc được tệp: {detail}"
 },
 "relay_password_missing": {
  "en": "is missing or empty, and the relay has a username",
  "vi": "chưa có hoặc tệp rỗng, trong khi máy chủ gửi thư này có tên đăng nhập"
 },
 "relay_clear_password": {
  "en": "has tls = \"none\", which would send the password in the clear",
  "vi": "có tls = \"none\" nên mật khẩu sẽ bị gửi đi không mã hóa"
 },
 "relay_key_alone": {
  "en": "has a client_key without a client_certificate",
  "vi": "có client_key nhưng thiếu client_certificate"
 },
 "dkim_key_unusable": {
  "en": "is no private key that mail can be signed with: PEM without a pass phrase, RSA of 2048 bits or more, or Ed25519",
  "vi": "không phải khóa riêng dùng được để ký thư: cần tệp PEM không có mật khẩu, khóa RSA từ 2048 bit hoặc Ed25519"
 },
 "dkim_key_open": {
  "en": "can be read by other users: chmod 600 {value}",
  "vi": "người dùng khác đọc được: chmod 600 {value}"
 },
 "outlives_sessions": {
  "en": "proposals lie among the sessions of staff and are kept at most as long: give it no more days than sessions",
  "vi": "các đề nghị nằm cùng phiên đăng nhập của cán bộ và được lưu không lâu hơn phiên: số ngày không được nhiều hơn sessions"
 },
 "surrogate": {
  "en": "holds half a character ({character}, character {position}); send complete UTF-8",
  "vi": "có ký tự Unicode không trọn vẹn ({character}, vị trí {position}); hãy gửi UTF-8 hợp lệ"
 },
 "control_character": {
  "en": "holds a control character ({character}, character {position})",
  "vi": "có ký tự điều khiển ({character}, vị trí {position})"
 },
 "bidi_character": {
  "en": "holds a character that reverses the reading direction ({character}, character {position})",
  "vi": "có ký tự đổi chiều viết ({character}, vị trí {position})"
 },
 "replacement_character": {
  "en": "holds a character that was lost in a conversion ({character}, character {position})",
  "vi": "có ký tự đã hỏng khi chuyển mã ({character}, vị trí {position})"
 },
 "eth_for_d_with_stroke": {
  "en": "holds the Icelandic letter Ð ({character}, character {position}); the Vietnamese letter is Đ (U+0110)",
  "vi": "có chữ Ð của tiếng Iceland ({character}, vị trí {position}); chữ Đ tiếng Việt là U+0110"
 },
 "stacked_marks": {
  "en": "puts more than {limit} marks on one letter",
  "vi": "có chữ cái mang quá {limit} dấu"
 },
 "line_break": {
  "en": "must be one line: no line break or tab ({character}, character {position})",
  "vi": "phải nằm trên một dòng: không xuống dòng, không dùng phím Tab ({character}, vị trí {position})"
 },
 "encoded_word": {
  "en": "must not hold =?...?= (an encoded word of a mail header)",
  "vi": "không được chứa =?...?= (từ mã hóa trong tiêu đề thư)"
 },
 "legacy_encoding": {
  "en": "looks like the old Vietnamese encoding {encoding}, in which it would read “{reading}”; send Unicode",
  "vi": "có vẻ dùng bảng mã cũ {encoding}, đọc ra là “{reading}”; hãy gửi chữ Unicode"
 },
 "misread_utf8": {
  "en": "looks like UTF-8 that a program took for {encoding}; it would read “{reading}”. Read the text as UTF-8 before you send it",
  "vi": "có vẻ là chữ UTF-8 bị đọc nhầm thành {encoding}; đọc đúng là “{reading}”. Hãy đọc văn bản theo UTF-8 trước khi gửi"
 },
 "misread_words": {
  "en": "has words that look like UTF-8 taken for {encoding} (“{word}”)",
  "vi": "có từ giống chữ UTF-8 bị đọc nhầm thành {encoding} (“{word}”)"
 },
 "marks_lost": {
  "en": "has question marks inside words (“{word}”): were Vietnamese letters lost before it was sent?",
  "vi": "có dấu hỏi chấm giữa từ (“{word}”): có phải chữ tiếng Việt đã bị mất trước khi gửi không?"
 },
 "html_entity": {
  "en": "has “{word}”, which readers see as it is: this field is plain text, so write “{reading}”",
  "vi": "có “{word}” và người đọc sẽ thấy nguyên như vậy: trường này là văn bản thường, hãy viết “{reading}”"
 },
 "viqr": {
  "en": "has words in VIQR (“{word}” for “{reading}”), which readers see as they are; send Unicode",
  "vi": "có từ viết kiểu VIQR (“{word}” thay cho “{reading}”) và người đọc sẽ thấy nguyên như vậy; hãy gửi chữ Unicode"
 },
 "string_type": {
  "en": "must be a text",
  "vi": "phải là chuỗi ký tự"
 },
 "string_unicode": {
  "en": "holds characters that are not valid Unicode",
  "vi": "có ký tự không phải Unicode hợp lệ"
 },
 "string_too_short": {
  "en": "must not be empty",
  "vi": "không được để trống"
 },
 "title_cut": {
  "en": "does not fit on Zalo ({limit} characters; quotation marks and & count as several); there it ends with “{end}”. Give short_title to have other words there",
  "vi": "không vừa chỗ dành cho tiêu đề trên Zalo ({limit} ký tự; dấu nháy và dấu & mỗi dấu tính là nhiều ký tự); trên Zalo tiêu đề sẽ kết thúc bằng “{end}”. Hãy ghi short_title nếu muốn dùng câu khác"
 },
 "short_title_cut": {
  "en": "does not fit on Zalo ({limit} characters; quotation marks and & count as several); there it ends with “{end}”",
  "vi": "không vừa chỗ dành cho tiêu đề trên Zalo ({limit} ký tự; dấu nháy và dấu & mỗi dấu tính là nhiều ký tự); trên Zalo tiêu đề sẽ kết thúc bằng “{end}”"
 },
 "string_too_long": {
  "en": "must have at most {max_length} {max_length:character|characters}",
  "vi": "chỉ được dài tối đa {max_length} ký tự"
 },
 "rendered_too_large": {
  "en": "would take {size} KB or more when it is shown; at most {limit} KB. Fewer or shorter tables, links and lists make it smaller",
  "vi": "khi hiển thị sẽ chiếm từ {size} KB trở lên; tối đa {limit} KB. Hãy bớt hoặc rút ngắn bảng, liên kết và danh sách"
 },
 "language_tag": {
  "en": "is not a tag of a language, such as vi or en-GB",
  "vi": "không phải mã ngôn ngữ, chẳng hạn vi hoặc en-GB"
 },
 "media_type_form": {
  "en": "is not a media type, such as application/pdf",
  "vi": "không phải loại tệp (media type), chẳng hạn application/pdf"
 },
 "string_pattern_mismatch": {
  "en": "is not written as required: {pattern}",
  "vi": "không đúng định dạng; biểu thức quy định: {pattern}"
 },
 "url": {
  "en": "must be a web address: http:// or https://, with a host, without user name, other characters percent-encoded",
  "vi": "phải là địa chỉ web: http:// hoặc https://, có tên máy chủ, không kèm tên đăng nhập, ký tự khác phải mã hóa phần trăm"
 },
 "email": {
  "en": "must be an e-mail address",
  "vi": "phải là địa chỉ thư điện tử"
 },
 "phone": {
  "en": "must be a Vietnamese mobile number: 84 and nine digits",
  "vi": "phải là số di động Việt Nam: 84 và chín chữ số"
 },
 "int_type": {
  "en": "must be a whole number",
  "vi": "phải là số nguyên"
 },
 "bool_type": {
  "en": "must be true or false",
  "vi": "phải là true hoặc false"
 },
 "greater_than": {
  "en": "must be greater than {gt}",
  "vi": "phải lớn hơn {gt}"
 },
 "greater_than_equal": {
  "en": "must be {ge} or more",
  "vi": "phải từ {ge} trở lên"
 },
 "less_than_equal": {
  "en": "must be {le} or less",
  "vi": "phải từ {le} trở xuống"
 },
 "instant": {
  "en": "must be a time with its offset, such as 2026-11-24T08:00:00+07:00",
  "vi": "phải là thời điểm kèm múi giờ, ví dụ 2026-11-24T08:00:00+07:00"
 },
 "instant_range": {
  "en": "must lie between 1971 and 2200",
  "vi": "phải nằm trong khoảng từ năm 1971 đến năm 2200"
 },
 "datetime_parsing": {
  "en": "is not a time that exists; write it such as 2026-11-24T08:00:00+07:00",
  "vi": "không phải thời điểm hợp lệ; hãy viết như 2026-11-24T08:00:00+07:00"
 },
 "datetime_from_date_parsing": {
  "en": "is not a time that exists; write it such as 2026-11-24T08:00:00+07:00",
  "vi": "không phải thời điểm hợp lệ; hãy viết như 2026-11-24T08:00:00+07:00"
 },
 "moment_of_form": {
  "en": "is not a time that exists; such as 2026-11-24T08:00",
  "vi": "không phải ngày giờ hợp lệ; xin Quý vị chọn ngày và giờ, ví dụ 2026-11-24T08:00"
 },
 "timezone_aware": {
  "en": "must say its offset from UTC, such as +07:00",
  "vi": "phải ghi múi giờ, ví dụ +07:00"
 },
 "date_type": {
  "en": "must be a date",
  "vi": "phải là một ngày"
 },
 "enum": {
  "en": "must be one of: {expected}",
  "vi": "phải là một trong các giá trị: {expected}"
 },
 "literal_error": {
  "en": "must be one of: {expected}",
  "vi": "phải là một trong các giá trị: {expected}"
 },
 "tuple_type": {
  "en": "must be a list",
  "vi": "phải là một danh sách"
 },
 "too_short": {
  "en": "must not be empty",
  "vi": "không được để trống"
 },
 "too_long": {
  "en": "must hold at most {max_length} {max_length:entry|entries}",
  "vi": "chỉ được có tối đa {max_length} mục"
 },
 "repeated": {
  "en": "holds {value} twice",
  "vi": "có {value} hai lần"
 },
 "dict_type": {
  "en": "must be a JSON object",
  "vi": "phải là một đối tượng JSON"
 },
 "model_type": {
  "en": "must be a JSON object",
  "vi": "phải là một đối tượng JSON"
 },
 "missing": {
  "en": "is required",
  "vi": "là trường bắt buộc"
 },
 "unknown_key": {
  "en": "is not a key that is read here; known: {known}",
  "vi": "không phải khóa có trong tệp này; các khóa hợp lệ: {known}"
 },
 "extra_forbidden": {
  "en": "is not a field of this event{near}",
  "vi": "loại sự kiện này không có trường này{near}; hãy kiểm tra chính tả tên trường"
 },
 "unexpected": {
  "en": "is not valid",
  "vi": "không hợp lệ"
 },
 "more_errors": {
  "en": "and {count} more {count:error|errors}, not shown here",
  "vi": "và {count} lỗi khác, không liệt kê ở đây"
 },
 "not_after": {
  "en": "must be later than {other}",
  "vi": "phải sau {other}"
 },
 "over_already": {
  "en": "{value} has passed ({now} by Loa's clock): nothing of this item would ever go out",
  "vi": "thời điểm {value} đã qua (giờ hệ thống: {now}) nên tin bài này sẽ không được gửi đến ai; hãy đặt lại expires_at"
 },
 "names_itself": {
  "en": "names this item itself ({value}) in also; name others there",
  "vi": "ghi chính tin này ({value}) trong also; hãy ghi các tin khác"
 },
 "day": {
  "en": "must be a day like 2026-11-30",
  "vi": "phải là ngày, ví dụ 2026-11-30"
 },
 "date_from_datetime_parsing": {
  "en": "is not a day that exists; write it such as 2026-11-30",
  "vi": "không phải ngày có trong lịch; hãy viết như 2026-11-30"
 },
 "bulletin_days": {
  "en": "must begin before it ends, and end in {year}, the year of its number",
  "vi": "ngày đầu không được sau ngày cuối, và ngày cuối phải trong năm {year} của số bản tin"
 },
 "bulletin_too_long": {
  "en": "may hold {limit} items at most",
  "vi": "chỉ được có tối đa {limit} tin"
 },
 "bulletin_empty": {
  "en": "has no item; add one, or give this issue up",
  "vi": "chưa có tin nào; hãy thêm tin, hoặc bỏ số này"
 },
 "bulletin_content_id": {
  "en": "is the issue {value}; the item has to be called so",
  "vi": "là số bản tin {value}; mã tin bài phải là mã này"
 },
 "bulletin_topic": {
  "en": "must be {value}, the topic of the bulletin",
  "vi": "phải là {value}, chủ đề của bản tin"
 },
 "bulletin_body": {
  "en": "is not the text that follows from the parts of the issue; change the parts, by loa bulletin or on its page",
  "vi": "không khớp với các mục của số bản tin; hãy sửa các mục bằng loa bulletin hoặc trên trang của số bản tin"
 },
 "bulletin_unit": {
  "en": "is a bulletin of the unit {value}; only that unit sends its issues",
  "vi": "là bản tin của đơn vị {value}; chỉ đơn vị đó được gửi các số của bản tin"
 },
 "bulletin_no_entry": {
  "en": "{value} is not in this issue",
  "vi": "{value} không có trong số bản tin này"
 },
 "bulletin_has_item": {
  "en": "{value} is in this issue already",
  "vi": "{value} đã có trong số bản tin này"
 },
 "bulletin_section": {
  "en": "{value} is no section of this issue; sections: {known}",
  "vi": "{value} không phải là mục của số bản tin này; các mục: {known}"
 },
 "interruption_too_soon": {
  "en": "is too soon: an interruption is announced at least {limit} working days ahead (Decree 224/2026/ND-CP, Article 13), so one that is announced on {announced} begins on {value} at the earliest; let it begin later, or say in force_majeure what force majeure prevents that",
  "vi": "quá sớm: việc tạm ngừng phải được thông báo trước ít nhất {limit} ngày làm việc (Điều 13 Nghị định số 224/2026/NĐ-CP); thông báo ngày {announced} thì sớm nhất được tạm ngừng từ ngày {value}; hãy lùi thời điểm bắt đầu, hoặc nêu lý do bất khả kháng"
 },
 "interruption_off_portal": {
  "en": "must have portal: an interruption is announced publicly (Decree 224/2026/ND-CP, Article 13), and mail and Zalo reach those alone who chose them; add portal",
  "vi": "phải có cổng thông tin: việc tạm ngừng phải được thông báo công khai (Điều 13 Nghị định số 224/2026/NĐ-CP), còn thư điện tử và Zalo chỉ đến người đã đăng ký nhận; hãy chọn thêm cổng thông tin"
 },
 "interruption_not_public": {
  "en": "leave out the public: an interruption is announced publicly (Decree 224/2026/ND-CP, Article 13); add cong-dan or to-chuc, or leave audiences empty for everyone",
  "vi": "chưa có người dân, tổ chức: việc tạm ngừng phải được thông báo công khai (Điều 13 Nghị định số 224/2026/NĐ-CP); hãy chọn thêm Người dân hoặc Tổ chức, hoặc để trống cho mọi người"
 },
 "interruption_expires": {
  "en": "is too early: the announcement of an interruption stays until the services are expected to work again (expected_recovery_at); let it end later, or leave it out",
  "vi": "quá sớm: thông báo tạm ngừng phải còn hiệu lực đến thời điểm dự kiến hoạt động trở lại; hãy lùi thời điểm này, hoặc để trống"
 },
 "interruption_year": {
  "en": "can't be judged: it takes {limit} working days from the announcement, and those of {year} are not known; add the year to {file}",
  "vi": "chưa kiểm tra được: phải thông báo trước {limit} ngày làm việc, nhưng hệ thống chưa có lịch ngày làm việc năm {year}; hãy bổ sung năm này vào {file}"
 },
 "interruption_resumed_ahead": {
  "en": "lies ahead; say it once the services work again",
  "vi": "phải là thời điểm đã qua; chỉ ghi khi dịch vụ đã hoạt động trở lại"
 },
 "unknown_series": {
  "en": "{value} is not a known bulletin; known: {known}{near}",
  "vi": "{value} không có trong danh mục bản tin; các mã hợp lệ: {known}{near}"
 },
 "campaign_days": {
  "en": "must begin before it ends",
  "vi": "ngày đầu không được sau ngày cuối"
 },
 "campaign_entry_day": {
  "en": "the planned item {number} is on {day}, outside the campaign",
  "vi": "tin dự kiến số {number} có hạn đăng {day}, ngoài thời gian của chuyên đề"
 },
 "campaign_entry_named": {
  "en": "the planned item {number}",
  "vi": "tin dự kiến số {number}"
 },
 "campaign_own": {
  "en": "must be {value}: an item with a plan is a campaign, and names itself",
  "vi": "phải là {value}: tin bài có kế hoạch là chuyên đề và phải ghi chính mã của mình"
 },
 "campaign_no_plan": {
  "en": "is missing: a campaign, which names itself, has a plan",
  "vi": "còn thiếu: chuyên đề (tin bài ghi chính mã của mình) phải có kế hoạch"
 },
 "campaign_none": {
  "en": "names a planned item, and the item joins no other campaign",
  "vi": "ghi một tin dự kiến, nhưng tin bài này không thuộc chuyên đề nào"
 },
 "campaign_no_entry": {
  "en": "{value} is no planned item of this campaign",
  "vi": "chuyên đề này không có tin dự kiến số {value}"
 },
 "series_unknown_word": {
  "en": "{value}, in the bulletin {series}, is neither a topic nor an audience nor a unit",
  "vi": "{value}, ghi ở bản tin {series}, không phải là chủ đề, đối tượng hay đơn vị"
 },
 "word_of_campaigns": {
  "en": "{value} begins with {prefix}, as the addresses of campaigns do; choose another id",
  "vi": "{value} bắt đầu bằng {prefix}, là phần đầu địa chỉ của các chuyên đề; hãy chọn mã khác"
 },
 "word_of_series": {
  "en": "{value} is the id of a bulletin, and not that bulletin's topic; choose another id",
  "vi": "{value} đã là mã trong danh mục bản tin; chỉ chủ đề của chính bản tin được mang mã này, hãy chọn mã khác"
 },
 "series_own_topic": {
  "en": "{value} is the topic of the bulletin {series} itself; it can't gather its own issues",
  "vi": "{value} là chủ đề của chính bản tin {series}; bản tin không thể lấy tin từ các số của mình"
 },
 "not_earlier_revision": {
  "en": "must be lower than revision ({revision})",
  "vi": "phải nhỏ hơn revision ({revision})"
 },
 "revision_not_newer": {
  "en": "must be higher than {latest}, the newest revision",
  "vi": "phải lớn hơn {latest}, số của bản mới nhất"
 },
 "required_for_status": {
  "en": "is required when status is {status}",
  "vi": "là bắt buộc khi trạng thái là {status}"
 },
 "no_contact": {
  "en": "must name at least one address: email, phone or zalo_user_id",
  "vi": "phải có ít nhất một thông tin liên hệ: email, phone hoặc zalo_user_id"
 },
 "no_consent": {
  "en": "must be true: notices go only to people who agreed",
  "vi": "phải là true: chỉ gửi thông báo cho người đã đồng ý nhận"
 },
 "required_for_apology": {
  "en": "is required when notice is apology",
  "vi": "là bắt buộc khi notice là apology (xin lỗi và hẹn lại)"
 },
 "editorial_chain": {
  "en": "does not name the item's last act; another person acted meanwhile",
  "vi": "không nối tiếp thao tác gần nhất của tin; vừa có người khác xử lý tin này"
 },
 "editorial_move": {
  "en": "is not possible ({kind}) while the item's status is: {status}; possible now: {possible}",
  "vi": "không thực hiện được ({kind}) khi tin ở trạng thái: {status}; lúc này có thể: {possible}"
 },
 "editorial_role": {
  "en": "is {value}, which does not do this act ({kind})",
  "vi": "là {value}, không được thực hiện thao tác này ({kind})"
 },
 "editorial_name": {
  "en": "must have a letter or a digit",
  "vi": "phải có chữ cái hoặc chữ số"
 },
 "editorial_unit": {
  "en": "is {value}; a unit's system acts on texts of its own unit alone, and this one is of {unit}",
  "vi": "là {value}; phần mềm của đơn vị chỉ xử lý tin của đơn vị mình, còn tin này là của {unit}"
 },
 "editorial_revision": {
  "en": "is {value}, which is not the revision that this act may concern",
  "vi": "là {value}, không phải bản mà thao tác này được áp dụng"
 },
 "editorial_rule": {
  "en": "the rule {value} approves only what a unit's system sends",
  "vi": "quy tắc {value} chỉ duyệt nội dung do hệ thống của đơn vị gửi"
 },
 "editorial_text_unchanged": {
  "en": "must not stand with an act that changes no text ({kind})",
  "vi": "không được kèm theo thao tác không sửa nội dung ({kind})"
 },
 "editorial_text_same": {
  "en": "is the text as it is now; an edit changes it",
  "vi": "giống hệt nội dung hiện tại; biên tập thì phải có thay đổi"
 },
 "editorial_moved_on": {
  "en": "the item became {status} ({who}, {at}) after the page was opened; nothing was done",
  "vi": "tin đã chuyển sang “{status}” ({who}, {at}) sau khi Quý vị mở trang; thao tác vừa chọn chưa được thực hiện"
 },
 "editorial_time_past": {
  "en": "can't be changed any more: the text is {status}",
  "vi": "không đổi được nữa, vì tin ở trạng thái: {status}"
 },
 "editorial_time_same": {
  "en": "is the time that the text has already",
  "vi": "trùng với giờ đang có; hãy chọn giờ khác"
 },
 "editorial_hash": {
  "en": "is not the hash of the text as it is now; read the text again",
  "vi": "không phải mã băm của nội dung hiện tại; hãy xem lại nội dung"
 },
 "editorial_reason_return": {
  "en": "must say why the text goes back",
  "vi": "xin Quý vị ghi lý do trả lại"
 },
 "editorial_reason_withdraw": {
  "en": "must say why the item is withdrawn",
  "vi": "xin Quý vị ghi lý do gỡ tin"
 },
 "editorial_reason_comment": {
  "en": "must have words",
  "vi": "xin Quý vị ghi nội dung góp ý"
 },
 "editorial_clean": {
  "en": "must be true: who answers for a text says that nothing secret or personal is in it",
  "vi": "xin Quý vị đọc và đánh dấu vào lời cam kết"
 },
 "editorial_way": {
  "en": "a text is given up before it is sent, and rejected after; the item's status is: {status}",
  "vi": "tin chưa gửi thì xóa, tin đã gửi thì từ chối; tin đang ở trạng thái: {status}"
 },
 "editorial_code": {
  "en": "needs one of the codes for people, or a reason in words",
  "vi": "xin Quý vị chọn một lý do từ chối hoặc ghi lý do bằng lời"
 },
 "editorial_unchecked": {
  "en": "needs two checks by name that nothing secret or personal is in the text: by the unit and by the Center",
  "vi": "cần hai lần xác nhận, ghi rõ người xác nhận, rằng nội dung không có tin mật hay dữ liệu cá nhân: của đơn vị và của Trung tâm"
 },
 "editorial_not_own": {
  "en": "did not write this text; only who wrote it may give it up",
  "vi": "không phải người soạn; chỉ người soạn được xóa bản nháp"
 },
 "editorial_own": {
  "en": "has a part in this text; another person has to do this",
  "vi": "đã tham gia soạn hoặc xử lý tin này; phải do người khác thực hiện"
 },
 "editorial_unapproved": {
  "en": "is {value}, a revision that is not approved",
  "vi": "là {value}, bản chưa được duyệt"
 },
 "editorial_published": {
  "en": "is {value}, a revision that was published already",
  "vi": "là {value}, bản đã đăng rồi"
 },
 "editorial_unreadable": {
  "en": "is no act that this version can read",
  "vi": "không phải thao tác mà phiên bản này đọc được"
 },
 "fact_unreadable": {
  "en": "has a fact that this version of Loa can't read: {value}",
  "vi": "có một số liệu mà phiên bản Loa này không đọc được: {value}"
 }
} as const;

export const JSON_MESSAGES = {
 "other": {
  "en": "",
  "vi": "sai cú pháp JSON"
 },
 "Expecting value": {
  "en": "a value is missing",
  "vi": "thiếu giá trị"
 },
 "Expecting ',' delimiter": {
  "en": "a comma (,) is missing",
  "vi": "thiếu dấu phẩy (,)"
 },
 "Expecting ':' delimiter": {
  "en": "a colon (:) is missing",
  "vi": "thiếu dấu hai chấm (:)"
 },
 "Expecting property name enclosed in double quotes": {
  "en": "a field's name in double quotes is missing",
  "vi": "thiếu tên trường trong dấu ngoặc kép"
 },
 "Illegal trailing comma before end of object": {
  "en": "there is a comma too many before }",
  "vi": "thừa dấu phẩy trước dấu }"
 },
 "Illegal trailing comma before end of array": {
  "en": "there is a comma too many before ]",
  "vi": "thừa dấu phẩy trước dấu ]"
 },
 "Extra data": {
  "en": "something follows the JSON",
  "vi": "thừa nội dung phía sau"
 },
 "Unterminated string starting at": {
  "en": "a string has no closing double quote",
  "vi": "chuỗi thiếu dấu ngoặc kép đóng"
 },
 "Invalid control character at": {
  "en": "a string holds a control character",
  "vi": "có ký tự điều khiển trong chuỗi"
 },
 "Invalid \\escape": {
  "en": "a \\ in a string begins no known escape",
  "vi": "dấu \\ trong chuỗi không hợp lệ"
 },
 "Invalid \\uXXXX escape": {
  "en": "a \\uXXXX in a string is no code of a character",
  "vi": "mã \\uXXXX trong chuỗi không hợp lệ"
 }
} as const;

export const BULLETIN_TEXTS = {
 "title": "{name} số {number}/{year} (từ ngày {first} đến ngày {last})",
 "contents": "Trong số này: {parts}.",
 "part": "{name} ({count} tin)",
 "amendments": "Đính chính, gỡ tin",
 "corrected": "{title}: tin đã đăng ở số trước nay đã được đính chính.",
 "corrected_because": "{title}: tin đã đăng ở số trước nay đã được đính chính. {reason}",
 "withdrawn": "{title}: tin đã đăng ở số trước nay đã được gỡ.",
 "withdrawn_because": "{title}: tin đã đăng ở số trước nay đã được gỡ. {reason}",
 "correction": "So với bản đã phát hành, bản này {parts}.",
 "dropped": "bỏ {count} tin đã gỡ",
 "renewed": "cập nhật {count} tin đã đính chính",
 "renewed_amendments": "cập nhật mục “Đính chính, gỡ tin”",
 "compiled_by": "Biên soạn: {name}",
 "in_language": "(Bài viết bằng {language}.) {text}"
} as const;

export const ADDRESS_TEXTS = {
 "no_url": {
  "en": "must begin with https:// or http://",
  "vi": "phải bắt đầu bằng https:// hoặc http://"
 },
 "no_key": {
  "en": "is not an API key: visible ASCII characters only",
  "vi": "không phải khóa API: khóa chỉ gồm các ký tự ASCII nhìn thấy được"
 }
} as const;

export const ACCESS_TEXTS = {
 "denied": {
  "en": "this key may not publish on {subject}, so the event is not sent: use a key of that unit (`loa units bus-key {unit}`), or give the server the rights (`loa bus config`, then reload it), and send it again",
  "vi": "khóa này không được gửi lên {subject} nên sự kiện chưa được gửi: hãy dùng khóa của đơn vị đó (`loa units bus-key {unit}`), hoặc cấp quyền trên máy chủ (`loa bus config` rồi nạp lại máy chủ), rồi gửi lại"
 }
} as const;

export const SPOOL_TEXTS = {
 "not_kept": {
  "en": "not sent and not kept: Loa takes nothing, and {folder} can't be written ({detail}). A full disk does both: make room, then send it again",
  "vi": "chưa gửi được và chưa lưu được: Loa không nhận và không ghi được vào {folder}; thường do đầy ổ đĩa. Hãy giữ tệp, giải phóng ổ đĩa rồi gửi lại"
 },
 "not_locked": {
  "en": "events that wait in {folder} can't be sent: it can't be locked ({detail}). Use a folder on a local disk",
  "vi": "không gửi được các sự kiện đang chờ trong {folder}: không khóa được thư mục ({detail}). Hãy dùng thư mục trên ổ đĩa của máy"
 }
} as const;
