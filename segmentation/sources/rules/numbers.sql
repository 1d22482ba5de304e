-- Numbers and amounts of money that are no plain numbers: signs, codes and names of currencies, grouped digits,
-- accountants' minus signs. A number that can be read in two ways is not read.

-- What is written beside an amount: a code of ISO 4217, or a sign or name of a currency.
CREATE OR REPLACE TEMP MACRO is_currency(x) AS is_listed(x, '||AED|AFN|ALL|AMD|ANG|AOA|ARS|AUD|AWG|AZN|BAM|BBD|BDT|BGN|'
    || 'BHD|BIF|BMD|BND|BOB|BRL|BSD|BTN|BWP|BYN|BZD|CAD|CDF|CHF|CLP|CNY|COP|CRC|CUP|CVE|CZK|DJF|DKK|DOP|DZD|EGP|ERN|'
    || 'ETB|EUR|FJD|FKP|GBP|GEL|GHS|GIP|GMD|GNF|GTQ|GYD|HKD|HNL|HRK|HTG|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|'
    || 'KGS|KHR|KMF|KPW|KRW|KWD|KYD|KZT|LAK|LBP|LKR|LRD|LSL|LYD|MAD|MDL|MGA|MKD|MMK|MNT|MOP|MRU|MUR|MVR|MWK|MXN|MYR|'
    || 'MZN|NAD|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PGK|PHP|PKR|PLN|PYG|QAR|RMB|RON|RSD|RUB|RWF|SAR|SBD|SCR|SDG|SEK|SGD|'
    || 'SHP|SLE|SOS|SRD|SSP|STN|SVC|SYP|SZL|THB|TJS|TMT|TND|TOP|TRY|TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VES|VND|VUV|WST|'
    || 'XAF|XCD|XOF|XPF|YER|ZAR|ZMW|ZWL|')
    OR is_listed(rtrim(lower(x), '.'), '|$|€|£|¥|₹|₽|₺|₩|₪|₫|฿|₱|₦|₴|₸|₡|₲|₵|元|円|圓|圆|원|us$|ca$|au$|nz$|hk$|nt$|mx$|'
    || 'c$|a$|s$|r$|z$|eur|usd|gbp|euro|euros|kr|rs|zł|zl|kč|kc|ft|lei|лв|руб|fr|sfr|tl|');

-- Digits and marks, beside what may stand before and after them: (5.00), -$5.00, $-5.00, 5.00-, 12 kr, 12.- and 1200/-.
CREATE OR REPLACE TEMP MACRO number_parts(x) AS regexp_extract(x,
    '^''?([(]?) ?([-+]?) ?([^-+()0-9., '']*[.]?) ?([-+]?) ?'
    || '([0-9.,](?:[0-9., '']*[0-9])?(?:[eE][-+]?[0-9]+)?)(?:[.,]-{1,2}|/-|[.,])? ?'
    || '([-+]?) ?([^-+()0-9., '']*[.]?) ?([-+]?)([)]?)$',
    ['opening', 'sign', 'currency', 'sign_behind_currency', 'digits', 'sign_behind', 'currency_behind', 'last_sign',
     'closing']);

-- Whether the digits are written with a decimal point, or with a decimal comma. Groups are of three digits, or as in
-- India of two but for the last one.
CREATE OR REPLACE TEMP MACRO has_decimal_point(x) AS regexp_full_match(x,
    '([1-9][0-9]{0,2}(,[0-9]{3}|''[0-9]{3}| [0-9]{3})+|[1-9][0-9]?(,[0-9]{2})+,[0-9]{3}|[0-9]*)'
    || '([.][0-9]*)?([eE][-+]?[0-9]+)?');
CREATE OR REPLACE TEMP MACRO has_decimal_comma(x) AS regexp_full_match(x,
    '([1-9][0-9]{0,2}([.][0-9]{3}|''[0-9]{3}| [0-9]{3})+|[0-9]*)(,[0-9]*)?([eE][-+]?[0-9]+)?');

-- Two different marks leave no doubt, whatever the profile's decimal mark is: the last one is the decimal mark.
CREATE OR REPLACE TEMP MACRO has_groups_and_point(x) AS regexp_matches(x, '[, ''].*[.]') AND has_decimal_point(x);
CREATE OR REPLACE TEMP MACRO has_groups_and_comma(x) AS regexp_matches(x, '[. ''].*,') AND has_decimal_comma(x);
CREATE OR REPLACE TEMP MACRO without_groups(x, marks) AS replace(translate(x, marks, ''), ',', '.');
CREATE OR REPLACE TEMP MACRO value_of_digits(x) AS CASE
    WHEN getvariable('profile_decimal') = ',' THEN CASE
        WHEN has_decimal_comma(x) THEN without_groups(x, '. ''')
        WHEN has_groups_and_point(x) THEN without_groups(x, ', ''')
    END
    WHEN has_decimal_point(x) THEN without_groups(x, ', ''')
    WHEN has_groups_and_comma(x) THEN without_groups(x, '. ''')
END;

-- The factor that the signs make; NULL where there are several, or half a pair of parentheses.
CREATE OR REPLACE TEMP MACRO sign_of(parts) AS TRY_CAST(looked_up(
    parts.opening || parts.sign || parts.sign_behind_currency || parts.sign_behind || parts.last_sign || parts.closing,
    '|:1|+:1|-:-1|():-1|') AS DOUBLE);

-- unusual_number(x): the DOUBLE that a text stands for that is no plain number; NULL if it can't be read.
CREATE OR REPLACE TEMP MACRO unusual_number(x) AS CASE WHEN regexp_matches(x, '[0-9０-９]') THEN
    let(number_parts(trim(in_ascii(x), '" ')), lambda parts:
        CASE WHEN is_currency(parts.currency) AND is_currency(parts.currency_behind)
            THEN sign_of(parts) * TRY_CAST(value_of_digits(parts.digits) AS DOUBLE) END)
END;

-- currency_of(x): the ISO 4217 code of the currency that a text such as "12.50 zł", "USD 5" or "€" names; NULL if it
-- names none, or has a sign of several currencies ($, kr, ¥).
CREATE OR REPLACE TEMP MACRO currency_code(x) AS CASE
    WHEN NOT is_currency(x) THEN NULL
    WHEN x = 'RMB' THEN 'CNY'
    WHEN regexp_full_match(x, '[A-Z]{3}') THEN x
    ELSE looked_up(rtrim(lower(x), '.'), '|€:EUR|eur:EUR|euro:EUR|euros:EUR|usd:USD|£:GBP|gbp:GBP|₹:INR|₽:RUB|руб:RUB|'
        || '₺:TRY|tl:TRY|₩:KRW|원:KRW|₪:ILS|₫:VND|฿:THB|₱:PHP|₦:NGN|₴:UAH|₸:KZT|₡:CRC|₲:PYG|₵:GHS|zł:PLN|zl:PLN|kč:CZK|'
        || 'kc:CZK|ft:HUF|лв:BGN|sfr:CHF|us$:USD|ca$:CAD|c$:CAD|au$:AUD|a$:AUD|nz$:NZD|hk$:HKD|s$:SGD|nt$:TWD|'
        || 'mx$:MXN|r$:BRL|元:CNY|円:JPY|')
END;
CREATE OR REPLACE TEMP MACRO currency_of(x) AS
    let(in_ascii(CAST(x AS VARCHAR)), lambda text:
        let(number_parts(CASE WHEN regexp_matches(text, '[0-9]') THEN trim(text, '" ') ELSE text || ' 0' END),
            lambda parts: coalesce(currency_code(parts.currency), currency_code(parts.currency_behind))));
