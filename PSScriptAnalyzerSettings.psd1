# What PSScriptAnalyzer asks of the PowerShell files of this tree (tests/gates runs it; editors find it here by its name).
@{
    ExcludeRules = @(
        # The tests and the README show what a user types.
        'PSAvoidUsingPositionalParameters'
        # PowerShell 7 reads UTF-8 without a byte order mark.
        'PSUseBOMForUnicodeEncodedFile'
        # Sees neither what Pester shares between blocks nor what a script block sets in the scope around it.
        'PSUseDeclaredVarsMoreThanAssignments'
        # Does not know loop variables, several assigned at once, and -ErrorVariable; StrictMode does.
        'PSUseUsingScopeModifierInNewRunspaces'
        # The functions here are those of the build and the tests. What users call are cmdlets, which have tests for this.
        'PSUseShouldProcessForStateChangingFunctions'
    )

    Rules        = @{
        PSUseSingularNouns                        = @{ Enable = $true; NounAllowList = @('Data', 'Metadata') }

        PSPlaceOpenBrace                          = @{ Enable = $true; OnSameLine = $true; NewLineAfter = $false; IgnoreOneLineBlock = $true }
        PSPlaceCloseBrace                         = @{ Enable = $true; NewLineAfter = $false; IgnoreOneLineBlock = $true; NoEmptyLineBefore = $false }
        PSUseConsistentWhitespace                 = @{
            Enable                                  = $true
            CheckInnerBrace                         = $true
            CheckOpenBrace                          = $true
            CheckOpenParen                          = $true
            CheckOperator                           = $true
            CheckPipe                               = $true
            CheckSeparator                          = $true
            CheckParameter                          = $false
            IgnoreAssignmentOperatorInsideHashTable = $true
        }
        PSUseCorrectCasing                        = @{ Enable = $true }
        PSAvoidUsingDoubleQuotesForConstantString = @{ Enable = $true }
        PSAvoidExclaimOperator                    = @{ Enable = $true }
    }
}
