// Written by `python -m clients.typescript.generate`; do not edit.

import type { Province, Vocabulary } from "../vocabulary.js";

/** The words that Loa ships with; an operator may have others. */
export const VOCABULARY: Vocabulary = {
 "units": {
  "vu-to-chuc-bien-che": {
   "name": "Vụ Tổ chức - Biên chế",
   "english": "Department of Organisation and Staffing",
   "until": null,
   "formerly": []
  },
  "vu-chinh-quyen-dia-phuong": {
   "name": "Vụ Chính quyền địa phương",
   "english": "Department of Local Government",
   "until": null,
   "formerly": []
  },
  "vu-cong-chuc-vien-chuc": {
   "name": "Vụ Công chức - Viên chức",
   "english": "Department of Civil Servants and Public Employees",
   "until": null,
   "formerly": []
  },
  "vu-to-chuc-phi-chinh-phu": {
   "name": "Vụ Tổ chức phi chính phủ",
   "english": "Department of Non-governmental Organisations",
   "until": null,
   "formerly": []
  },
  "vu-cai-cach-hanh-chinh": {
   "name": "Vụ Cải cách hành chính",
   "english": "Department of Public Administration Reform",
   "until": null,
   "formerly": []
  },
  "vu-cong-tac-thanh-nien-va-binh-dang-gioi": {
   "name": "Vụ Công tác thanh niên và Bình đẳng giới",
   "english": "Department of Youth Affairs and Gender Equality",
   "until": null,
   "formerly": [
    {
     "id": "vu-cong-tac-thanh-nien",
     "name": "Vụ Công tác thanh niên",
     "until": "2025-02-28"
    }
   ]
  },
  "vu-hop-tac-quoc-te": {
   "name": "Vụ Hợp tác quốc tế",
   "english": "Department of International Cooperation",
   "until": null,
   "formerly": []
  },
  "vu-to-chuc-can-bo": {
   "name": "Vụ Tổ chức cán bộ",
   "english": "Department of Personnel",
   "until": null,
   "formerly": []
  },
  "vu-phap-che": {
   "name": "Vụ Pháp chế",
   "english": "Department of Legal Affairs",
   "until": null,
   "formerly": []
  },
  "vu-ke-hoach-tai-chinh": {
   "name": "Vụ Kế hoạch - Tài chính",
   "english": "Department of Planning and Finance",
   "until": null,
   "formerly": []
  },
  "van-phong-bo": {
   "name": "Văn phòng Bộ",
   "english": "Ministry Office",
   "until": null,
   "formerly": []
  },
  "cuc-van-thu-va-luu-tru-nha-nuoc": {
   "name": "Cục Văn thư và Lưu trữ nhà nước",
   "english": "State Records and Archives Department",
   "until": null,
   "formerly": []
  },
  "cuc-tien-luong-va-bao-hiem-xa-hoi": {
   "name": "Cục Tiền lương và Bảo hiểm xã hội",
   "english": "Department of Wages and Social Insurance",
   "until": null,
   "formerly": [
    {
     "id": "vu-tien-luong",
     "name": "Vụ Tiền lương",
     "until": "2025-02-28"
    }
   ]
  },
  "cuc-viec-lam": {
   "name": "Cục Việc làm",
   "english": "Department of Employment",
   "until": null,
   "formerly": []
  },
  "cuc-quan-ly-lao-dong-ngoai-nuoc": {
   "name": "Cục Quản lý lao động ngoài nước",
   "english": "Department of Overseas Labour",
   "until": null,
   "formerly": []
  },
  "cuc-nguoi-co-cong": {
   "name": "Cục Người có công",
   "english": "Department of People with Meritorious Services",
   "until": null,
   "formerly": []
  },
  "ban-thi-dua-khen-thuong-trung-uong": {
   "name": "Ban Thi đua - Khen thưởng Trung ương",
   "english": "Central Emulation and Commendation Committee",
   "until": null,
   "formerly": []
  },
  "trung-tam-cong-nghe-thong-tin": {
   "name": "Trung tâm Công nghệ thông tin",
   "english": "Information Technology Centre",
   "until": null,
   "formerly": [
    {
     "id": "trung-tam-thong-tin",
     "name": "Trung tâm Thông tin",
     "until": "2025-02-28"
    }
   ]
  },
  "vien-khoa-hoc-to-chuc-nha-nuoc-va-lao-dong": {
   "name": "Viện Khoa học Tổ chức nhà nước và Lao động",
   "english": "Institute of State Organisational and Labour Sciences",
   "until": null,
   "formerly": [
    {
     "id": "vien-khoa-hoc-to-chuc-nha-nuoc",
     "name": "Viện Khoa học Tổ chức nhà nước",
     "until": "2025-02-28"
    }
   ]
  },
  "tap-chi-to-chuc-nha-nuoc-va-lao-dong": {
   "name": "Tạp chí Tổ chức nhà nước và Lao động",
   "english": "State Organisation and Labour Review",
   "until": null,
   "formerly": [
    {
     "id": "tap-chi-to-chuc-nha-nuoc",
     "name": "Tạp chí Tổ chức nhà nước",
     "until": "2025-02-28"
    }
   ]
  },
  "bao-dan-tri": {
   "name": "Báo Dân trí",
   "english": "Dan tri Newspaper",
   "until": null,
   "formerly": []
  },
  "trung-tam-lao-dong-ngoai-nuoc": {
   "name": "Trung tâm Lao động ngoài nước",
   "english": "Centre of Overseas Labour",
   "until": null,
   "formerly": []
  },
  "thanh-tra-bo": {
   "name": "Thanh tra Bộ",
   "english": "Ministry Inspectorate",
   "until": "2026-07-07",
   "formerly": []
  },
  "ban-ton-giao-chinh-phu": {
   "name": "Ban Tôn giáo Chính phủ",
   "english": "Government Committee for Religious Affairs",
   "until": "2025-02-28",
   "formerly": []
  },
  "hoc-vien-hanh-chinh-quoc-gia": {
   "name": "Học viện Hành chính Quốc gia",
   "english": "National Academy of Public Administration",
   "until": "2025-12-31",
   "formerly": []
  }
 },
 "topics": {
  "the-che-chinh-sach": {
   "name": "Thể chế, chính sách lĩnh vực nội vụ",
   "english": "Institutions and policy",
   "kind": "core",
   "own": false
  },
  "tham-muu-xay-dung-chinh-sach": {
   "name": "Hoạt động tham mưu, xây dựng chính sách",
   "english": "Policy advice and drafting",
   "kind": "core",
   "own": false
  },
  "cai-cach-hanh-chinh": {
   "name": "Cải cách hành chính",
   "english": "Public administration reform",
   "kind": "core",
   "own": false
  },
  "cai-cach-cong-vu": {
   "name": "Cải cách công vụ, công chức",
   "english": "Civil service reform",
   "kind": "core",
   "own": false
  },
  "chuyen-doi-so": {
   "name": "Chuyển đổi số",
   "english": "Digital transformation",
   "kind": "core",
   "own": false
  },
  "thu-tuc-hanh-chinh": {
   "name": "Thủ tục hành chính",
   "english": "Administrative procedures",
   "kind": "core",
   "own": false
  },
  "thong-tin-chuyen-de": {
   "name": "Thông tin chuyên đề",
   "english": "Thematic information",
   "kind": "core",
   "own": false
  },
  "dich-vu-cong-truc-tuyen": {
   "name": "Dịch vụ công trực tuyến",
   "english": "Online public services",
   "kind": "core",
   "own": false
  },
  "ban-tin-cai-cach-hanh-chinh": {
   "name": "Bản tin cải cách hành chính",
   "english": "Public administration reform bulletin",
   "kind": "core",
   "own": false
  },
  "chinh-quyen-dia-phuong": {
   "name": "Chính quyền địa phương",
   "english": "Local government",
   "kind": "optional",
   "own": false
  },
  "to-chuc-bien-che": {
   "name": "Tổ chức, biên chế",
   "english": "Organisation and staffing",
   "kind": "optional",
   "own": false
  },
  "lao-dong-tien-luong-bhxh": {
   "name": "Lao động, tiền lương, bảo hiểm xã hội",
   "english": "Labour, wages and social insurance",
   "kind": "optional",
   "own": false
  },
  "viec-lam": {
   "name": "Việc làm",
   "english": "Employment",
   "kind": "optional",
   "own": false
  },
  "an-toan-ve-sinh-lao-dong": {
   "name": "An toàn, vệ sinh lao động",
   "english": "Occupational safety and health",
   "kind": "optional",
   "own": false
  },
  "lao-dong-ngoai-nuoc": {
   "name": "Lao động ngoài nước",
   "english": "Overseas labour",
   "kind": "optional",
   "own": false
  },
  "nguoi-co-cong": {
   "name": "Người có công",
   "english": "People with meritorious services",
   "kind": "optional",
   "own": false
  },
  "thanh-nien-binh-dang-gioi": {
   "name": "Thanh niên, bình đẳng giới",
   "english": "Youth and gender equality",
   "kind": "optional",
   "own": false
  },
  "van-thu-luu-tru": {
   "name": "Văn thư, lưu trữ",
   "english": "Records and archives",
   "kind": "optional",
   "own": false
  },
  "thi-dua-khen-thuong": {
   "name": "Thi đua, khen thưởng",
   "english": "Emulation and commendation",
   "kind": "optional",
   "own": false
  },
  "hoi-quy-phi-chinh-phu": {
   "name": "Hội, quỹ, tổ chức phi chính phủ",
   "english": "Associations, funds and non-governmental organisations",
   "kind": "optional",
   "own": false
  },
  "tuyen-dung": {
   "name": "Tuyển dụng",
   "english": "Recruitment",
   "kind": "optional",
   "own": false
  },
  "hoat-dong-lanh-dao": {
   "name": "Hoạt động của lãnh đạo Bộ",
   "english": "Activities of the leadership",
   "kind": "optional",
   "own": false
  },
  "lich-nghi-le": {
   "name": "Lịch nghỉ lễ, tết",
   "english": "Public holidays",
   "kind": "optional",
   "own": false
  },
  "canh-bao-khan": {
   "name": "Cảnh báo khẩn",
   "english": "Emergency warning",
   "kind": "system",
   "own": false
  },
  "dinh-chinh": {
   "name": "Đính chính",
   "english": "Correction",
   "kind": "system",
   "own": true
  },
  "thong-bao-tam-ngung-dich-vu": {
   "name": "Thông báo tạm ngừng dịch vụ",
   "english": "Service suspension notice",
   "kind": "system",
   "own": false
  },
  "ho-so": {
   "name": "Hồ sơ thủ tục hành chính",
   "english": "Dossiers",
   "kind": "system",
   "own": false
  }
 },
 "audiences": {
  "to-chuc": {
   "name": "Tổ chức",
   "english": "Organisations"
  },
  "cong-dan": {
   "name": "Người dân",
   "english": "Citizens"
  },
  "can-bo": {
   "name": "Cán bộ",
   "english": "Cadres"
  },
  "cong-chuc": {
   "name": "Công chức",
   "english": "Civil servants"
  },
  "vien-chuc": {
   "name": "Viên chức",
   "english": "Public employees"
  },
  "nguoi-lao-dong": {
   "name": "Người lao động",
   "english": "Workers"
  }
 },
 "bulletins": {
  "ban-tin-cai-cach-hanh-chinh": {
   "name": "Bản tin cải cách hành chính",
   "english": "Public administration reform bulletin",
   "unit": "vu-cai-cach-hanh-chinh",
   "topic": "ban-tin-cai-cach-hanh-chinh"
  }
 }
};

/** The provinces that a broadcast may name. */
export const PROVINCES: Readonly<Record<string, Province>> = {
 "ha-noi": {
  "name": "Thành phố Hà Nội",
  "code": "01"
 },
 "cao-bang": {
  "name": "Tỉnh Cao Bằng",
  "code": "04"
 },
 "tuyen-quang": {
  "name": "Tỉnh Tuyên Quang",
  "code": "08"
 },
 "dien-bien": {
  "name": "Tỉnh Điện Biên",
  "code": "11"
 },
 "lai-chau": {
  "name": "Tỉnh Lai Châu",
  "code": "12"
 },
 "son-la": {
  "name": "Tỉnh Sơn La",
  "code": "14"
 },
 "lao-cai": {
  "name": "Tỉnh Lào Cai",
  "code": "15"
 },
 "thai-nguyen": {
  "name": "Tỉnh Thái Nguyên",
  "code": "19"
 },
 "lang-son": {
  "name": "Tỉnh Lạng Sơn",
  "code": "20"
 },
 "quang-ninh": {
  "name": "Tỉnh Quảng Ninh",
  "code": "22"
 },
 "bac-ninh": {
  "name": "Tỉnh Bắc Ninh",
  "code": "24"
 },
 "phu-tho": {
  "name": "Tỉnh Phú Thọ",
  "code": "25"
 },
 "hai-phong": {
  "name": "Thành phố Hải Phòng",
  "code": "31"
 },
 "hung-yen": {
  "name": "Tỉnh Hưng Yên",
  "code": "33"
 },
 "ninh-binh": {
  "name": "Tỉnh Ninh Bình",
  "code": "37"
 },
 "thanh-hoa": {
  "name": "Tỉnh Thanh Hóa",
  "code": "38"
 },
 "nghe-an": {
  "name": "Tỉnh Nghệ An",
  "code": "40"
 },
 "ha-tinh": {
  "name": "Tỉnh Hà Tĩnh",
  "code": "42"
 },
 "quang-tri": {
  "name": "Tỉnh Quảng Trị",
  "code": "44"
 },
 "hue": {
  "name": "Thành phố Huế",
  "code": "46"
 },
 "da-nang": {
  "name": "Thành phố Đà Nẵng",
  "code": "48"
 },
 "quang-ngai": {
  "name": "Tỉnh Quảng Ngãi",
  "code": "51"
 },
 "gia-lai": {
  "name": "Tỉnh Gia Lai",
  "code": "52"
 },
 "khanh-hoa": {
  "name": "Tỉnh Khánh Hòa",
  "code": "56"
 },
 "dak-lak": {
  "name": "Tỉnh Đắk Lắk",
  "code": "66"
 },
 "lam-dong": {
  "name": "Tỉnh Lâm Đồng",
  "code": "68"
 },
 "dong-nai": {
  "name": "Tỉnh Đồng Nai",
  "code": "75"
 },
 "ho-chi-minh": {
  "name": "Thành phố Hồ Chí Minh",
  "code": "79"
 },
 "tay-ninh": {
  "name": "Tỉnh Tây Ninh",
  "code": "80"
 },
 "dong-thap": {
  "name": "Tỉnh Đồng Tháp",
  "code": "82"
 },
 "vinh-long": {
  "name": "Tỉnh Vĩnh Long",
  "code": "86"
 },
 "an-giang": {
  "name": "Tỉnh An Giang",
  "code": "91"
 },
 "can-tho": {
  "name": "Thành phố Cần Thơ",
  "code": "92"
 },
 "ca-mau": {
  "name": "Tỉnh Cà Mau",
  "code": "96"
 }
};
