"""Currencies of ISO 4217 and how many decimals their minor unit has."""

from __future__ import annotations

from churn_value.errors import ConfigError

_TWO_DECIMALS = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNH
CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR
IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN
NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_OTHERS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = dict.fromkeys(_TWO_DECIMALS.split(), 2) | {
    code: exponent for exponent, codes in _OTHERS.items() for code in codes.split()
}


def minor_exponent(currency: str) -> int:
    """Decimals of a currency's minor unit: 2 for GBP, 0 for JPY, 3 for KWD.

    Raises
    ------
    ConfigError
        When the code is not an active ISO 4217 currency.

    References
    ----------
    ISO 4217:2015, list one (current currency and funds codes), column "minor unit".
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise ConfigError(
            "a currency must be an active ISO 4217 code",
            code="UNKNOWN_CURRENCY",
            where="currency",
            received=currency,
            remedy="write its three letters, as in GBP",
        ) from None
